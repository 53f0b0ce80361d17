import { v7 as newId } from 'uuid'
import type { Clock } from '../../clock.ts'
import type { Database, Orm } from '../../db/database.ts'
import { openSession, type SessionRequirements } from '../../db/queries/sessions/open-session.ts'
import { findRefreshToken } from '../../db/queries/sessions/refresh-tokens.ts'
import {
  type ActiveAt,
  findSessionStart,
  listSessions,
  type Revocation,
  revokeExpired,
  revokeSession,
  revokeSessionsOf,
  type SessionKind,
  type SessionSummary,
} from '../../db/queries/sessions/sessions.ts'
import { AppError } from '../../errors.ts'
import { deriveKey } from '../../keys.ts'
import type { SecurityEventKind, SecurityLog } from '../security/security-log.ts'
import type { EventBus } from '../shared/events.ts'
import type { Log } from '../shared/failure-reporter.ts'
import { hashToken, newToken } from '../shared/secrets.ts'
import { readUuid } from '../shared/uuid.ts'
import {
  type AccessClaims,
  type AccessTokenSigner,
  readAccessToken,
  signAccessToken,
} from './access-tokens.ts'
import { type ClientDevice, storableDevice } from './client-device.ts'
import { Janitor } from './janitor.ts'
import { RefreshChain, type TokenHolder } from './refresh-chain.ts'
import { Revocations } from './revocations.ts'
import { SessionExpiries } from './session-expiries.ts'
import {
  type PresentedToken,
  type RefreshedSession,
  type SessionTokens,
  TokenRefresh,
} from './token-refresh.ts'

export type { SessionRequirements } from '../../db/queries/sessions/open-session.ts'
export type { SessionKind, SessionSummary } from '../../db/queries/sessions/sessions.ts'
export type { ClientDevice } from './client-device.ts'
export type { PresentedToken, SessionTokens } from './token-refresh.ts'

export interface SessionsOptions {
  db: Database
  clock: Clock
  events: EventBus
  signer: AccessTokenSigner
  secretKeyBase: string
  /** The longest lifetime of a session, however often it is refreshed. */
  maxAgeMs: number
  securityLog: Pick<SecurityLog, 'record' | 'prepare'>
  log: Log
}

/** How long after a sign-in its session may change the factors of the account. */
const RECENT_SIGN_IN_MS = 10 * 60 * 1000
const MAX_LISTED_SESSIONS = 100

/** Opens, refreshes, verifies and revokes sessions. A session has a chain of refresh tokens; its access tokens are valid until it ends. */
export class Sessions {
  readonly #db: Database
  readonly #clock: Clock
  readonly #signer: AccessTokenSigner
  readonly #securityLog: SessionsOptions['securityLog']
  readonly #maxAgeMs: number
  readonly #chain: RefreshChain
  readonly #tokenRefresh: TokenRefresh
  readonly #revocations: Revocations
  readonly #janitor: Janitor
  readonly #expiries: SessionExpiries

  constructor({ db, clock, events, signer, secretKeyBase, maxAgeMs, securityLog, log }: SessionsOptions) {
    this.#db = db
    this.#clock = clock
    this.#signer = signer
    this.#securityLog = securityLog
    this.#maxAgeMs = maxAgeMs
    this.#chain = new RefreshChain(deriveKey(secretKeyBase, 'refresh tokens'), maxAgeMs)
    this.#tokenRefresh = new TokenRefresh({
      ...{ db, clock, signer, chain: this.#chain },
      endReused: (presented, device) => this.#endReused(presented, device),
    })
    this.#revocations = new Revocations({ db, clock, events, log })
    this.#janitor = new Janitor({ db, clock, log, endExpired: (limit) => this.#endExpired(limit) })
    this.#expiries = new SessionExpiries({ db, clock, maxAgeMs, log })
  }

  /** Resolves once earlier revocations are loaded. */
  async start(): Promise<void> {
    await this.#revocations.start()
    this.#janitor.start()
  }

  /** Reads the revocations of other nodes now, not only at the next poll. */
  pollRevocations(): void {
    this.#revocations.poll()
  }

  /** Resolves when no query is running. */
  async stop(): Promise<void> {
    await Promise.all([this.#revocations.stop(), this.#janitor.stop(), this.#expiries.stop()])
  }

  /**
   * Opens a session. A session of kind `whisper` ends the user's previous one.
   * @param options.check must hold when the session opens: what the sign-in was checked against may have changed.
   * @param options.event is recorded with the session.
   * @throws AppError `invalid_credentials` or `totp_required` when the check fails.
   */
  async open(
    userId: string,
    device: ClientDevice,
    {
      kind = 'password',
      check = {},
      event,
    }: { kind?: SessionKind; check?: SessionRequirements; event?: SecurityEventKind } = {},
  ): Promise<SessionTokens> {
    const now = this.#clock.now()
    const sessionId = newId()
    const refreshToken = newToken()
    const expiresAt = this.#chain.expiryOf(now, now)
    const session = { id: sessionId, userId, kind, now, expiresAt: expiresAt.getTime() }
    const prepared = event && this.#securityLog.prepare(event, { userId, sessionId, ...device })
    const result = await openSession(
      this.#db,
      { ...session, ...storableDevice(device), tokenHash: hashToken(refreshToken) },
      { requirements: check, event: prepared?.row },
    )
    if (!result?.hasPassword) throw new AppError('invalid_credentials')
    if (!result.needsNoCode) throw new AppError('totp_required')
    this.#revocations.announce(result.ended.map((id) => ({ id, revokedAt: new Date(now) })))
    prepared?.committed()
    const accessToken = signAccessToken(this.#signer, { userId, sessionId, expiresAt }, now)
    return { sessionId, refreshToken, accessToken }
  }

  /** Finds a refresh token, valid or not, with its session. */
  find(refreshToken: string): Promise<PresentedToken | undefined> {
    return this.#tokenRefresh.find(refreshToken)
  }

  /**
   * Exchanges a refresh token for new tokens. A used one is accepted for a minute after its first use; later it ends the session,
   * because somebody else may have it.
   * @param found what `find` has returned for the token, if it was looked up already.
   * @throws AppError `invalid_token`; `busy` when the session keeps changing.
   */
  async refresh(
    refreshToken: string,
    device: ClientDevice,
    found?: PresentedToken,
  ): Promise<RefreshedSession> {
    return this.#tokenRefresh.refresh(refreshToken, device, found ?? (await this.find(refreshToken)))
  }

  async #endReused({ userId, sessionId }: PresentedToken, device: ClientDevice): Promise<void> {
    this.#revocations.announce(await revokeSession(this.#db.orm, sessionId, this.#activeAt()))
    this.#securityLog.record('refresh_token_reused', { userId, sessionId, ...device })
  }

  /** The user and session of a valid refresh token, without exchanging it. */
  async holderOf(refreshToken: string): Promise<TokenHolder | undefined> {
    const holder = await this.#chain.holder(this.#db.orm, refreshToken, this.#clock.now())
    // The session may have been revoked after the query.
    return holder && !this.isRevoked(holder.sessionId) ? holder : undefined
  }

  /**
   * Verifies an access token.
   * @throws AppError `token_missing`, `token_expired`, or `token_invalid` also when its session has ended.
   */
  verify(accessToken: string | undefined): AccessClaims {
    const claims = readAccessToken(this.#signer, accessToken, this.#clock.now())
    if (this.isRevoked(claims.sessionId)) throw new AppError('token_invalid')
    return claims
  }

  /** Whether a session is revoked. Revocations of other nodes are known within a second. */
  isRevoked(sessionId: string): boolean {
    return this.#revocations.has(sessionId)
  }

  /**
   * Requires that a session was opened within the last ten minutes. Opening one requires every factor of the account.
   * @throws AppError `reauthentication_required`.
   */
  async requireRecentSignIn(sessionId: string): Promise<void> {
    const openedAt = await findSessionStart(this.#db.orm, sessionId)
    const isRecent = openedAt !== undefined && this.#clock.now() < openedAt.getTime() + RECENT_SIGN_IN_MS
    if (!isRecent) throw new AppError('reauthentication_required')
  }

  /** When some sessions expire. See `SessionExpiries.read`. */
  expiriesOf(sessionIds: string[]): Promise<ReadonlyMap<string, number> | undefined> {
    return this.#expiries.read(sessionIds)
  }

  /** The user's active sessions, the most recently used first. */
  list(userId: string): Promise<SessionSummary[]> {
    return listSessions(this.#db.orm, userId, this.#activeAt(), MAX_LISTED_SESSIONS)
  }

  /**
   * Ends one session of the user.
   * @param by the session that requests it; one that ends itself signs out. The rest is the device of the request.
   * @throws AppError `not_found` when the user has no such active session.
   */
  async revoke(
    userId: string,
    sessionId: string,
    { by, ...device }: ClientDevice & { by?: string } = {},
  ): Promise<void> {
    const id = readUuid(sessionId)
    const ended = id ? await revokeSession(this.#db.orm, id, this.#activeAt(), userId) : []
    if (!ended.length) throw new AppError('not_found')
    this.#announceRevoked(ended, { device, isSignOut: id === by })
  }

  /**
   * Signs out: ends the session of a refresh token, if it has not ended; a used token is accepted.
   * @throws AppError `invalid_token` when it is unknown or expired.
   */
  async revokeByRefreshToken(refreshToken: string, device: ClientDevice = {}): Promise<void> {
    const at = this.#activeAt()
    const token = await findRefreshToken(this.#db.orm, hashToken(refreshToken))
    if (!token || token.expiresAt <= at.now) throw new AppError('invalid_token')
    const ended = await revokeSession(this.#db.orm, token.sessionId, at)
    this.#announceRevoked(ended, { device, isSignOut: true })
  }

  /** Ends all sessions of the user except one. */
  async revokeAll(
    userId: string,
    { except, ...device }: ClientDevice & { except?: string } = {},
  ): Promise<void> {
    this.announce(await this.#db.transaction((tx) => this.revokeAllIn(tx, userId, { except })))
    this.#securityLog.record('sessions_revoked', { userId, ...device })
  }

  /** Like `revokeAll`, in the caller's transaction. Announce the result after the commit. */
  revokeAllIn(
    tx: Orm,
    userId: string,
    { except }: { except?: string | undefined } = {},
  ): Promise<Revocation[]> {
    return revokeSessionsOf(tx, userId, new Date(this.#clock.now()), { except })
  }

  /** Publishes committed revocations: tokens of these sessions become invalid, and their sockets close. */
  announce(revocations: Revocation[]): void {
    this.#revocations.announce(revocations)
  }

  #announceRevoked(
    ended: (Revocation & { userId: string })[],
    { device, isSignOut }: { device: ClientDevice; isSignOut: boolean },
  ): void {
    this.#revocations.announce(ended, { isSignOut })
    for (const { id, userId } of ended) {
      this.#securityLog.record('session_revoked', { userId, sessionId: id, ...device })
    }
  }

  async #endExpired(limit: number): Promise<number> {
    const ended = await revokeExpired(this.#db.orm, new Date(this.#clock.now()), limit)
    this.#revocations.announce(ended)
    return ended.length
  }

  #activeAt(): ActiveAt {
    const now = this.#clock.now()
    return { now: new Date(now), createdAfter: new Date(now - this.#maxAgeMs) }
  }
}
