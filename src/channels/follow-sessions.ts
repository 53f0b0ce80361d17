import type { Endpoint } from '../realtime/endpoint.ts'
import type { Services } from '../services.ts'

/** Closes the sockets of sessions that have ended, on all nodes. */
export function followSessions(
  endpoint: Endpoint,
  { events, sessions }: Pick<Services, 'events' | 'sessions'>,
): void {
  const { nodes } = endpoint
  events.on('sessions_revoked', ({ sessionIds, isHere }) => {
    const revoked = new Set(sessionIds)
    endpoint.disconnect((identity) => revoked.has(identity.sessionId))
    // The others would find out within a second: this spares them the wait.
    if (isHere) nodes.tell('revoked', null)
  })
  nodes.on('revoked', () => sessions.pollRevocations())
}
