import type { Clock } from '../../clock.ts'
import type { Endpoint } from '../../realtime/socket/endpoint.ts'
import type { Services } from '../../services.ts'

/** How long a client that signs itself out may take to close its sockets: phoenix.js reconnects if the server closes first. */
const SIGN_OUT_GRACE_MS = 500
/** How long a sign-out on another node is remembered. This node finds the revocation in the database well before. */
const SIGN_OUT_MEMORY_MS = 60_000

/** What a node publishes after it revoked sessions. */
type RevokedMessage = { signedOut: string[] } | null

/**
 * Closes the sockets of revoked sessions on all nodes: immediately, or `SIGN_OUT_GRACE_MS` after a sign-out by the session's
 * own client. During the grace period the sockets accept no frames.
 */
export function disconnectRevokedSessions(
  endpoint: Endpoint,
  { events, sessions }: Pick<Services, 'events' | 'sessions'>,
): void {
  const { nodes, clock } = endpoint
  const signOuts = new SignOuts(clock)

  events.on('sessions_revoked', ({ sessionIds, isHere, isSignOut }) => {
    if (isSignOut) signOuts.add(sessionIds)
    const revoked = new Set(sessionIds)
    for (const id of sessionIds) {
      const graceMs = signOuts.graceOf(id)
      if (graceMs === 0) continue
      revoked.delete(id)
      endpoint.disconnectAfter(graceMs, (identity) => identity.sessionId === id)
    }
    endpoint.disconnect((identity) => revoked.has(identity.sessionId ?? ''))
    // The other nodes poll the database for revocations. The message makes them poll now.
    if (isHere)
      nodes.publish('revoked', (isSignOut ? { signedOut: sessionIds } : null) satisfies RevokedMessage)
  })
  nodes.on<RevokedMessage>('revoked', (message) => {
    if (message) signOuts.add(message.signedOut)
    sessions.pollRevocations()
  })
}

/** Sessions whose own clients signed out recently, with the deadlines for their sockets. */
class SignOuts {
  readonly #clock: Clock
  readonly #deadlines = new Map<string, number>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  add(sessionIds: readonly string[]): void {
    for (const id of sessionIds) this.#deadlines.set(id, this.#clock.now() + SIGN_OUT_GRACE_MS)
    this.#clock.after(SIGN_OUT_MEMORY_MS, () => {
      for (const id of sessionIds) this.#deadlines.delete(id)
    })
  }

  /** How many milliseconds the sockets of a session may stay open; 0 when the session did not sign itself out. */
  graceOf(sessionId: string): number {
    const deadline = this.#deadlines.get(sessionId)
    return deadline === undefined ? 0 : Math.max(0, deadline - this.#clock.now())
  }
}
