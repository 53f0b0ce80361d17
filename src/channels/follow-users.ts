import type { Endpoint } from '../realtime/endpoint.ts'
import type { Services } from '../services.ts'
import type { Visibility } from './visibility.ts'

interface HiddenChange {
  userId: string
  hidden: boolean
}

/** Has what happens to users take effect on all their sockets, on all nodes. */
export function followUsers(
  endpoint: Endpoint,
  { events, sessions }: Pick<Services, 'events' | 'sessions'>,
  visibility: Visibility,
): void {
  const { nodes } = endpoint
  events.on('hidden_changed', (change) => {
    visibility.setHidden(change.userId, change.hidden)
    nodes.tell('hidden', change)
  })
  nodes.on<HiddenChange>('hidden', ({ userId, hidden }) => visibility.setHidden(userId, hidden))

  events.on('sessions_revoked', ({ sessionIds, isHere }) => {
    const revoked = new Set(sessionIds)
    endpoint.disconnect((identity) => revoked.has(identity.sessionId))
    // The others would find out within a second: this spares them the wait.
    if (isHere) nodes.tell('revoked', null)
  })
  nodes.on('revoked', () => sessions.pollRevocations())
}
