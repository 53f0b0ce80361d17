import type { SessionSummary } from '../domain/sessions/sessions.ts'

/** A session in the list of its user. `current` is the id of the session that sent the request. */
export function sessionView(session: SessionSummary, current: string) {
  return {
    id: session.id,
    kind: session.kind,
    user_agent: session.userAgent,
    ip: session.ip,
    created_at: session.createdAt.toISOString(),
    last_used_at: session.lastUsedAt.toISOString(),
    current: session.id === current,
  }
}
