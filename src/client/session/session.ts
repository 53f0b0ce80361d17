import { Emitter } from '../emitter.ts'
import { ConnectionError, RejectedError, SignedOutError, type SignedOutReason } from '../errors.ts'
import type { Store } from '../stores/store.ts'
import { retryDelay, sleep } from '../timing.ts'
import type { RefreshResponse } from '../wire.ts'
import { HttpApi, type RequestOptions } from './http.ts'
import { SESSION_KEY, type StoredSession, withTokens } from './stored-session.ts'

/** Refreshed when this part of the lifetime of an access token has passed. */
const REFRESH_AT = 0.75
/** A refresh token that has not been used for this long has expired. */
const REFRESH_LIFETIME_MS = 14 * 24 * 60 * 60 * 1_000
/** Node and browsers run a timer above 2^31 ms immediately. */
const MAX_TIMER_MS = 60 * 60 * 1_000
/** Tokens that a request is sent with: the known one, the one another tab has got, which may have expired too, and a new one. */
const MAX_TOKENS = 3
/** Codes with which a server rejects an access token. */
const BAD_ACCESS_TOKEN = new Set(['token_expired', 'token_invalid'])
/** The code with which it rejects a refresh token. */
const BAD_REFRESH_TOKEN = 'invalid_token'

/** The events of a session. */
export interface SessionEvents {
  signedOut: SignedOutReason
  refreshed: undefined
}

/**
 * A session that refreshes its tokens before they expire. All tabs share the newest tokens in the store, and one of them refreshes
 * at a time: the server takes a token that is used twice for stolen.
 */
export class Session extends Emitter<SessionEvents> {
  readonly http: HttpApi
  readonly #store: Store
  #stored: StoredSession
  /** When the tokens arrived, by a clock that is never set. */
  #receivedAt: number
  #timer: ReturnType<typeof setTimeout> | undefined
  #refreshing: Promise<void> | undefined
  #over: SignedOutReason | undefined
  #closed = false
  readonly #closing = new AbortController()

  constructor(store: Store, stored: StoredSession) {
    super()
    this.http = new HttpApi(stored.url)
    this.#store = store
    this.#stored = stored
    this.#receivedAt = performance.now() - ageOf(stored)
    this.#schedule()
  }

  get user(): StoredSession['user'] {
    return this.#stored.user
  }

  /** The newest access token this client knows. It may have expired. */
  get token(): string {
    return this.#stored.authToken
  }

  /** Why the session is over; undefined while it is not. */
  get over(): SignedOutReason | undefined {
    return this.#over
  }

  /** Aborted with an error when the session is over, or no longer used here. */
  get ended(): AbortSignal {
    return this.#closing.signal
  }

  /** Sends a request with the access token; with a new one if it has expired. */
  async request<T>(method: string, path: string, options: RequestOptions = {}): Promise<T> {
    return this.#authorized((token) => this.http.request<T>(method, path, { ...options, token }))
  }

  /** The same, for a response that is not JSON. */
  async respond(method: string, path: string, options: RequestOptions = {}): Promise<Response> {
    return this.#authorized((token) => this.http.respond(method, path, { ...options, token }))
  }

  /** An access token that has not expired by the clock of this device. @throws SignedOutError */
  async freshToken(): Promise<string> {
    if (this.#isDue()) await this.refresh(this.token)
    return this.token
  }

  /**
   * Exchanges the refresh token, unless another tab has done so.
   * @param rejected the access token that the server has rejected.
   * @throws SignedOutError when the session is over; ConnectionError
   */
  refresh(rejected: string): Promise<void> {
    if (this.#over) return Promise.reject(new SignedOutError(this.#over))
    if (rejected !== this.token) return Promise.resolve()
    this.#refreshing ??= this.#store
      .lock('refresh', () => this.#refresh(rejected))
      .finally(() => {
        this.#refreshing = undefined
      })
    return this.#refreshing
  }

  /** Ends the session on the server, and forgets it. */
  async signOut(): Promise<void> {
    // Not during a refresh, which would store the session again.
    const token = await this.#store.lock('refresh', async () => {
      const newest = await this.#store.get(SESSION_KEY)
      this.#end('signed_out')
      await this.#store.update(SESSION_KEY, () => undefined)
      return (isSession(newest) ? newest : this.#stored).refreshToken
    })
    await this.http.request('POST', '/api/signout', { body: { token }, repeatable: true })
  }

  /** Changes what is stored about the user. */
  async updateUser(change: Partial<StoredSession['user']>): Promise<void> {
    await this.#store.update(SESSION_KEY, (value) => {
      if (!isSession(value)) return value
      return { ...value, user: { ...value.user, ...change } }
    })
    this.#stored = { ...this.#stored, user: { ...this.#stored.user, ...change } }
  }

  /** Stops refreshing. The session stays valid and stored. */
  close(): void {
    this.#closed = true
    clearTimeout(this.#timer)
    this.#closing.abort(new ConnectionError({ code: 'disconnected', message: 'The client was closed.' }))
  }

  async #authorized<T>(run: (token: string) => Promise<T>): Promise<T> {
    for (let attempts = 1; ; attempts++) {
      const token = await this.freshToken()
      try {
        return await run(token)
      } catch (error) {
        const isRejected = error instanceof RejectedError && BAD_ACCESS_TOKEN.has(error.code)
        if (!isRejected || attempts === MAX_TOKENS) throw error
        await this.refresh(token)
      }
    }
  }

  async #refresh(rejected: string): Promise<void> {
    const newest = await this.#store.get(SESSION_KEY)
    if (!isSession(newest) || newest.user.id !== this.user.id) throw this.#end('signed_out')
    if (newest.authToken !== rejected) return this.#adopt(newest)
    try {
      const tokens = await this.#exchange(newest)
      const stored = withTokens(newest, tokens)
      await this.#store.update(SESSION_KEY, () => stored)
      this.#adopt(stored)
    } catch (error) {
      if (!(error instanceof RejectedError) || error.code !== BAD_REFRESH_TOKEN) throw error
      await this.#store.update(SESSION_KEY, () => undefined)
      throw this.#end(this.#hasExpired(newest) ? 'expired' : 'revoked')
    }
  }

  /** Repeating is safe: the server gives the same successor to a token that is used again within a minute. */
  async #exchange({ refreshToken }: StoredSession): Promise<{ authToken: string; refreshToken: string }> {
    const body = { token: refreshToken, brief: true }
    const tokens = await this.http.request<RefreshResponse>('POST', '/auth/refresh', {
      body,
      repeatable: true,
    })
    return { authToken: tokens.auth_token, refreshToken: tokens.refresh_token }
  }

  #hasExpired(session: StoredSession): boolean {
    const age = Date.now() - session.receivedAt
    return age >= REFRESH_LIFETIME_MS || session.lifetimeMs < session.usualLifetimeMs
  }

  #adopt(stored: StoredSession): void {
    this.#stored = stored
    this.#receivedAt = performance.now() - ageOf(stored)
    this.#schedule()
    this.emit('refreshed', undefined)
  }

  #end(reason: SignedOutReason): SignedOutError {
    if (!this.#over) {
      this.#over = reason
      clearTimeout(this.#timer)
      this.#closing.abort(new SignedOutError(reason))
      this.emit('signedOut', reason)
    }
    return new SignedOutError(this.#over)
  }

  #isDue(): boolean {
    return performance.now() - this.#receivedAt >= this.#stored.lifetimeMs * REFRESH_AT
  }

  #schedule(): void {
    clearTimeout(this.#timer)
    if (this.#closed) return
    const dueIn = this.#receivedAt + this.#stored.lifetimeMs * REFRESH_AT - performance.now()
    this.#timer = setTimeout(() => void this.#keepFresh(), Math.min(Math.max(dueIn, 0), MAX_TIMER_MS))
    letExit(this.#timer)
  }

  async #keepFresh(): Promise<void> {
    for (let failures = 0; !this.#closed && !this.#over; failures++) {
      try {
        if (!this.#isDue()) return this.#schedule()
        await this.refresh(this.token)
        return
      } catch (error) {
        if (!(error instanceof ConnectionError || error instanceof RejectedError)) return
        await sleep(retryDelay(error, failures))
      }
    }
  }
}

/** Whether a stored value is a session. */
export function isSession(value: unknown): value is StoredSession {
  return typeof value === 'object' && value !== null && 'refreshToken' in value
}

/** How old the tokens are. A clock that was set back makes them look new: they count as old. */
function ageOf({ receivedAt }: StoredSession): number {
  const age = Date.now() - receivedAt
  return age < 0 ? Number.POSITIVE_INFINITY : age
}

/** Lets a Node process exit while a timer waits; browsers have numbers for timers. */
function letExit(timer: unknown): void {
  if (typeof timer === 'object' && timer !== null && 'unref' in timer && typeof timer.unref === 'function') {
    timer.unref()
  }
}
