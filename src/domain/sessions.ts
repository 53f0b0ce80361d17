import { v7 as newId } from 'uuid'
import type { Clock } from '../clock.ts'
import type { Database, Orm } from '../db/database.ts'
import { findRefreshToken } from '../db/queries/refresh-tokens.ts'
import {
  type Device,
  insertSession,
  listSessions,
  type Revocation,
  revokeSession,
  revokeSessionsOf,
  type SessionKind,
  type SessionSummary,
  touchSession,
} from '../db/queries/sessions.ts'
import { lockCredentials } from '../db/queries/users.ts'
import { AppError } from '../errors.ts'
import { deriveKey } from '../keys.ts'
import {
  type AccessClaims,
  type AccessTokenSigner,
  readAccessToken,
  signAccessToken,
} from './access-tokens.ts'
import type { EventBus } from './events.ts'
import { Janitor } from './janitor.ts'
import type { Log } from './outage.ts'
import { type Exchange, REFRESH_TOKEN_MS, RefreshChain } from './refresh-chain.ts'
import { Revocations } from './revocations.ts'
import { hashToken, newToken } from './secrets.ts'
import { isStorable } from './text.ts'
import { readUuid } from './uuid.ts'

export type { SessionKind, SessionSummary } from '../db/queries/sessions.ts'

/** What a client says of itself. */
export type ClientDevice = { [K in keyof Device]?: Device[K] | undefined }

/** What a client needs to be signed in. */
export interface SessionTokens {
  sessionId: string
  accessToken: string
  refreshToken: string
}

/** What must still be true when a session opens: sees the user locked, and throws if they may not be signed in after all. */
export type SessionCheck = (tx: Orm) => Promise<void>

export interface SessionsOptions {
  db: Database
  clock: Clock
  events: EventBus
  signer: AccessTokenSigner
  secretKeyBase: string
  log: Log
}

const USER_AGENT_LENGTH = 500
const LISTED = 100

/** Sign-ins: each is a family of refresh tokens, and as long as it is not revoked its access tokens are good everywhere. */
export class Sessions {
  readonly #db: Database
  readonly #clock: Clock
  readonly #signer: AccessTokenSigner
  readonly #chain: RefreshChain
  readonly #revocations: Revocations
  readonly #janitor: Janitor

  constructor({ db, clock, events, signer, secretKeyBase, log }: SessionsOptions) {
    this.#db = db
    this.#clock = clock
    this.#signer = signer
    this.#chain = new RefreshChain(deriveKey(secretKeyBase, 'refresh tokens'))
    this.#revocations = new Revocations({ db, clock, events, log })
    this.#janitor = new Janitor({ db, clock, log })
  }

  /** Knows of earlier revocations when it resolves. */
  async start(): Promise<void> {
    await this.#revocations.start()
    this.#janitor.start()
  }

  /** Looks for sessions that other nodes revoked, which it does twice a second anyway. */
  pollRevocations(): void {
    this.#revocations.poll()
  }

  /** Resolves when no query is on its way any more. */
  async stop(): Promise<void> {
    await Promise.all([this.#revocations.stop(), this.#janitor.stop()])
  }

  /** Signs a user in. A new session of kind `whisper` ends the one before it. */
  async open(
    userId: string,
    device: ClientDevice,
    { kind = 'password', check }: { kind?: SessionKind; check?: SessionCheck } = {},
  ): Promise<SessionTokens> {
    const now = this.#clock.now()
    const sessionId = newId()
    const refreshToken = newToken()
    const ended = await this.#db.transaction(async (tx) => {
      await lockCredentials(tx, userId)
      await check?.(tx)
      const replaced = kind === 'whisper' ? await revokeSessionsOf(tx, userId, new Date(now), { kind }) : []
      const expiresAt = new Date(now + REFRESH_TOKEN_MS)
      const used = { now: new Date(now), expiresAt, ...storable(device) }
      await insertSession(tx, { id: sessionId, userId, kind, ...used })
      await this.#chain.store(tx, { token: refreshToken, sessionId, generation: 0, now })
      return replaced
    })
    this.#revocations.announce(ended)
    return { sessionId, refreshToken, accessToken: signAccessToken(this.#signer, { userId, sessionId }, now) }
  }

  /**
   * Exchanges a refresh token for new tokens. A used one is good until a while after its successor was first used; later it
   * is theft, and ends the session.
   * @throws AppError `invalid_token`.
   */
  async refresh(refreshToken: string, device: ClientDevice): Promise<SessionTokens & { userId: string }> {
    const now = this.#clock.now()
    const { exchange, ended } = await this.#db.transaction((tx) =>
      this.#exchange(tx, refreshToken, device, now),
    )
    this.#revocations.announce(ended)
    if (exchange.outcome !== 'refreshed') throw new AppError('invalid_token')
    const { userId, sessionId } = exchange
    const accessToken = signAccessToken(this.#signer, { userId, sessionId }, now)
    return { userId, sessionId, accessToken, refreshToken: exchange.refreshToken }
  }

  async #exchange(
    tx: Orm,
    refreshToken: string,
    device: ClientDevice,
    now: number,
  ): Promise<{ exchange: Exchange; ended: Revocation[] }> {
    const exchange = await this.#chain.exchange(tx, refreshToken, now)
    if (exchange.outcome === 'stolen') {
      const ended = await revokeSession(tx, exchange.sessionId, new Date(now))
      return { exchange, ended }
    }
    if (exchange.outcome === 'refreshed') {
      const { sessionId, expiresAt } = exchange
      await touchSession(tx, sessionId, { now: new Date(now), expiresAt, ...storable(device) })
    }
    return { exchange, ended: [] }
  }

  /** The session a refresh token belongs to, whether or not it is still good. */
  async familyOf(refreshToken: string): Promise<string | undefined> {
    const token = await findRefreshToken(this.#db.orm, hashToken(refreshToken))
    return token?.sessionId
  }

  /** Whose living session a refresh token belongs to, without exchanging it; undefined when it is not good (any more). */
  holderOf(refreshToken: string): Promise<{ userId: string; sessionId: string } | undefined> {
    return this.#chain.holder(this.#db.orm, refreshToken, this.#clock.now())
  }

  /**
   * Who an access token stands for.
   * @throws AppError `token_missing`, `token_expired`, or `token_invalid` also when its session has ended.
   */
  verify(accessToken: string | undefined): AccessClaims {
    const claims = readAccessToken(this.#signer, accessToken, this.#clock.now())
    if (this.isRevoked(claims.sessionId)) throw new AppError('token_invalid')
    return claims
  }

  /** Whether the session was ended, as far as this node knows: within a second of it on any other. */
  isRevoked(sessionId: string): boolean {
    return this.#revocations.has(sessionId)
  }

  /** The user's living sessions, the last used one first. */
  list(userId: string): Promise<SessionSummary[]> {
    return listSessions(this.#db.orm, userId, new Date(this.#clock.now()), LISTED)
  }

  /**
   * Ends one session of the user.
   * @throws AppError `not_found` when the user has no such living session.
   */
  async revoke(userId: string, sessionId: string): Promise<void> {
    const now = new Date(this.#clock.now())
    const id = readUuid(sessionId)
    const ended = id ? await revokeSession(this.#db.orm, id, now, userId) : []
    if (!ended.length) throw new AppError('not_found')
    this.#revocations.announce(ended)
  }

  /**
   * Ends the session of a refresh token, if it has not ended yet; a used token will do.
   * @throws AppError `invalid_token` when it is unknown or expired.
   */
  async revokeByRefreshToken(refreshToken: string): Promise<void> {
    const now = new Date(this.#clock.now())
    const token = await findRefreshToken(this.#db.orm, hashToken(refreshToken))
    if (!token || token.expiresAt <= now) throw new AppError('invalid_token')
    this.#revocations.announce(await revokeSession(this.#db.orm, token.sessionId, now))
  }

  /** Ends all sessions of the user, but the excepted one. */
  async revokeAll(userId: string, { except }: { except?: string } = {}): Promise<void> {
    this.announce(await this.#db.transaction((tx) => this.revokeAllIn(tx, userId, { except })))
  }

  /** The same within a larger transaction, after which the result must be announced. */
  revokeAllIn(
    tx: Orm,
    userId: string,
    { except }: { except?: string | undefined } = {},
  ): Promise<Revocation[]> {
    return revokeSessionsOf(tx, userId, new Date(this.#clock.now()), { except })
  }

  /** Makes a committed revocation known: tokens of these sessions are bad from here on, and their sockets close. */
  announce(revocations: Revocation[]): void {
    this.#revocations.announce(revocations)
  }
}

function storable({ userAgent, ip }: ClientDevice): Device {
  const agent = userAgent?.slice(0, USER_AGENT_LENGTH) ?? null
  return { userAgent: agent !== null && isStorable(agent) ? agent : null, ip: ip ?? null }
}
