import type { AccessClaims } from '../domain/access-tokens.ts'
import type { Sessions } from '../domain/sessions.ts'
import { AppError } from '../errors.ts'
import type { Channel } from '../realtime/channel.ts'
import type { Identity } from '../realtime/socket.ts'

/** Who connected, and the last good token they showed. */
class SignedIn implements Identity {
  readonly userId: string
  readonly sessionId: string
  token: string
  claims: AccessClaims

  constructor(token: string, claims: AccessClaims) {
    this.userId = claims.userId
    this.sessionId = claims.sessionId
    this.token = token
    this.claims = claims
  }
}

/** Checks the tokens of connections and payloads. The last good one of each socket is remembered, so that it is verified once. */
export class TokenCheck {
  readonly #sessions: Sessions

  constructor(sessions: Sessions) {
    this.#sessions = sessions
  }

  /** Who may connect with this token; undefined: nobody. */
  admit(token: string | undefined): Identity | undefined {
    const claims = this.#verify(token)
    if (!claims || token === undefined) return undefined
    return new SignedIn(token, claims)
  }

  /** Whether the payload carries a token of a live session of the channel's own user. */
  isValid({ socket }: Channel, payload: unknown): boolean {
    const token = (payload as { token?: unknown } | null)?.token
    if (typeof token !== 'string') return false
    const { identity, endpoint } = socket
    const known = identity instanceof SignedIn ? identity : undefined
    if (known?.token === token && this.#isLive(known.claims, endpoint.clock.now())) return true
    const claims = this.#verify(token)
    if (claims?.userId !== identity.userId) return false
    if (known) Object.assign(known, { token, claims })
    return true
  }

  /** The same where a token need not be given: an absent one says nothing. */
  isValidIfGiven(channel: Channel, payload: unknown): boolean {
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
