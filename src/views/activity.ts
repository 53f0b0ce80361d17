import type { ListedAuditEvent } from '../domain/security/security-log.ts'

/** A security event of an account, as its owner sees it. `count` is present when a row stands for several events. */
export function activityView({ sessionId, count, ...event }: ListedAuditEvent) {
  return {
    id: event.id,
    kind: event.kind,
    ip: event.ip,
    user_agent: event.userAgent,
    ...(sessionId !== null && { session_id: sessionId }),
    ...(count > 1 && { count }),
    created_at: event.insertedAt.toISOString(),
  }
}
