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
  readonly #lookUp: SessionExpiryLookup
  #isRunning = false

  constructor(lookUp: SessionExpiryLookup) {
    this.#lookUp = lookUp
  }

  /**
   * Updates the expiry of connections whose known expiry has passed. One check runs at a time; connections that it leaves out
   * are for the next one.
   * @returns the ids of the sessions that have ended.
   */
  async run(overdue: readonly Connection[]): Promise<ReadonlySet<string>> {
    const ended = new Set<string>()
    if (overdue.length === 0 || this.#isRunning) return ended
    this.#isRunning = true
    const sessionIds = [...new Set(overdue.map(({ identity }) => identity.sessionId))].slice(
      0,
      LOOKUP_BATCH_SIZE,
    )
    const expiries = await this.#lookUp(sessionIds)
    this.#isRunning = false
    if (!expiries) return ended
    for (const { identity } of overdue) {
      const expiresAt = expiries.get(identity.sessionId)
      if (expiresAt !== undefined) identity.expiresAt = expiresAt
    }
    for (const sessionId of sessionIds) if (!expiries.has(sessionId)) ended.add(sessionId)
    return ended
  }
}
