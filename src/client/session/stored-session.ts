/** A session as it is stored. */
export interface StoredSession {
  url: string
  user: { id: string; email: string; name: string }
  authToken: string
  refreshToken: string
  /** How long the access token is valid, in milliseconds. */
  lifetimeMs: number
  /** How long the first access token of the session was valid: the last ones are cut to the end of the session. */
  usualLifetimeMs: number
  /** When the tokens arrived, by the clock of this device. */
  receivedAt: number
}

/** The key of the session in the store. */
export const SESSION_KEY = 'session'

const DEFAULT_LIFETIME_MS = 30 * 60 * 1_000

/** The lifetime that an access token states for itself: its own two times, so that the clock of this device does not matter. */
export function lifetimeOf(authToken: string): number {
  try {
    const [, claims = ''] = authToken.split('.')
    const { iat, exp } = JSON.parse(atob(claims.replaceAll('-', '+').replaceAll('_', '/')))
    const lifetime = (exp - iat) * 1_000
    return lifetime > 0 ? lifetime : DEFAULT_LIFETIME_MS
  } catch {
    return DEFAULT_LIFETIME_MS
  }
}

/** The same session with new tokens. */
export function withTokens(
  session: StoredSession,
  tokens: { authToken: string; refreshToken: string },
): StoredSession {
  return { ...session, ...tokens, lifetimeMs: lifetimeOf(tokens.authToken), receivedAt: Date.now() }
}
