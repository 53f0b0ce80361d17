import type { Clock } from '../../clock.ts'
import type { AccessClaims } from '../../domain/sessions/access-tokens.ts'
import type { Sessions } from '../../domain/sessions/sessions.ts'
import { AppError } from '../../errors.ts'
import type { Identity, JoiningChannel } from '../../realtime/index.ts'

/** The identity of a socket, with the latest valid token that it sent. */
class SessionIdentity implements Identity {
  readonly userId: string
  readonly sessionId: string
  expiresAt: number
  token: string
  claims: AccessClaims

  constructor(token: string, claims: AccessClaims) {
    this.userId = claims.userId
    this.sessionId = claims.sessionId
    // The session lasts at least as long as its tokens. When this token expires, the expiry of the session is looked up.
    this.expiresAt = claims.expiresAt
    this.token = token
    this.claims = claims
  }
}

/** Verifies the access tokens of connections and payloads. Caches the latest valid token of each socket, which is verified once. */
export class TokenVerifier {
  readonly #sessions: Sessions
  readonly #clock: Clock

  constructor(sessions: Sessions, clock: Clock) {
    this.#sessions = sessions
    this.#clock = clock
  }

  /** Returns the identity that a token proves; undefined if the token is not valid. */
  authenticate(token: string | undefined): Identity | undefined {
    const claims = this.#verify(token)
    if (!claims || token === undefined) return undefined
    return new SessionIdentity(token, claims)
  }

  /** Whether a payload has a valid token of the channel's user. The token may be of another session. */
  isValid({ identity }: JoiningChannel, payload: unknown): boolean {
    const token = (payload as { token?: unknown } | null)?.token
    if (typeof token !== 'string') return false
    const known = identity instanceof SessionIdentity ? identity : undefined
    if (known?.token === token && this.#isLive(known.claims, this.#clock.now())) return true
    const claims = this.#verify(token)
    if (claims?.userId !== identity.userId) return false
    if (known) Object.assign(known, { token, claims })
    return true
  }

  /** The same, but the token is optional. */
  isValidIfGiven(channel: JoiningChannel, payload: unknown): boolean {
    const { token = null } = (payload ?? {}) as { token?: unknown }
    return token === null || this.isValid(channel, payload)
  }

  #isLive({ expiresAt, sessionId }: AccessClaims, now: number): boolean {
    return expiresAt > now && !this.#sessions.isRevoked(sessionId)
  }

  #verify(token: string | undefined): AccessClaims | undefined {
    try {
      return this.#sessions.verify(token)
    } catch (error) {
      if (error instanceof AppError) return undefined
      throw error
    }
  }
}
