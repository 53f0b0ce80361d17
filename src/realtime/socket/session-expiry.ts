import type { Connection } from './connection.ts'

/**
 * Looks up when some sessions expire now; sessions that have ended are omitted. Undefined if it cannot be determined at the
 * moment.
 */
export type SessionExpiryLookup = (sessionIds: string[]) => Promise<ReadonlyMap<string, number> | undefined>

/** Sessions per lookup. */
const LOOKUP_BATCH_SIZE = 1_000

/**
 * Finds connections whose sessions have expired. Sessions are refreshed over HTTP, on any node, so the stored expiry decides,
 * not the one known when the connection was opened.
 */
export class SessionExpiryCheck {
  readonly #lookUp: SessionExpiryLookup | undefined
  #isRunning = false

  /** @param lookUp undefined if the expiry of an identity is final. */
  constructor(lookUp: SessionExpiryLookup | undefined) {
    this.#lookUp = lookUp
  }

  /**
   * Updates the expiry of connections whose known expiry has passed. One check runs at a time; connections that it leaves out
   * are for the next one.
   * @returns the connections whose sessions have ended.
   */
  async run(overdue: readonly Connection[]): Promise<readonly Connection[]> {
    if (!this.#lookUp) return overdue
    if (overdue.length === 0 || this.#isRunning) return []
    this.#isRunning = true
    const sessionIds = new Set(overdue.flatMap(({ identity }) => identity.sessionId ?? []))
    const checked = new Set([...sessionIds].slice(0, LOOKUP_BATCH_SIZE))
    const expiries = await this.#lookUp([...checked])
    this.#isRunning = false
    if (!expiries) return []
    return overdue.filter(({ identity }) => {
      const { sessionId } = identity
      // Nothing can be looked up for a connection without a session.
      if (sessionId === undefined) return true
      const expiresAt = expiries.get(sessionId)
      if (expiresAt !== undefined) identity.expiresAt = expiresAt
      return checked.has(sessionId) && expiresAt === undefined
    })
  }
}
