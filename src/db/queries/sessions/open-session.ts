import type { Database } from '../../database.ts'
import { type AuditEvent, auditEventInsert } from '../security/audit-events.ts'
import type { Device, SessionKind } from './sessions.ts'

/** A session to open, with its first refresh token. Times are milliseconds since the epoch. */
export interface NewSession extends Device {
  id: string
  userId: string
  kind: SessionKind
  tokenHash: Uint8Array
  now: number
  expiresAt: number
}

/** What must hold for a session to be opened. */
export interface SessionRequirements {
  /** The user's password hash is this. */
  passwordHash?: string | null
  /** The user has no confirmed authenticator app. */
  withoutDevice?: boolean
}

/** Which requirements hold, and the ids of the sessions that were revoked; nothing was changed unless all hold. */
export interface OpenResult {
  hasPassword: boolean
  needsNoCode: boolean
  ended: string[]
}

/**
 * Opens a session if the requirements hold, with the user's row locked, and stores an event with it. One of kind `whisper` revokes the
 * user's previous ones of that kind.
 * @returns undefined when there is no such user.
 */
export async function openSession(
  db: Database,
  session: NewSession,
  { requirements, event }: { requirements: SessionRequirements; event: AuditEvent | undefined },
): Promise<OpenResult | undefined> {
  const { id, userId, kind, userAgent, ip, tokenHash, now, expiresAt } = session
  const { passwordHash, withoutDevice = false } = requirements
  const checks = [passwordHash !== undefined, passwordHash ?? null, withoutDevice]
  const token = Buffer.from(tokenHash).toString('hex')
  const params = [userId, ...checks, id, kind, userAgent, ip, now, expiresAt, token]
  const [, rows] = await db.pipeline([
    { text: LOCK, params: [userId] },
    { text: OPEN, params: [...params, JSON.stringify(event ? [event] : [])] },
  ])
  // The columns of the statement below.
  return (rows as OpenResult[])[0]
}

/** A statement of its own, so that the next one sees what was committed before the lock was taken. Does not block inserts of rows that reference the user. */
const LOCK = 'select id from users where id = $1 for no key update'

const OPEN = `
with owner as (
  select not $2::bool or password_hash is not distinct from $3 as "hasPassword",
    not $4::bool or not exists (
      select from totp_devices where user_id = users.id and confirmed_at is not null
    ) as "needsNoCode"
  from users where id = $1
), allowed as (
  select from owner where "hasPassword" and "needsNoCode"
), ended as (
  update sessions set revoked_at = to_timestamp($9::float8 / 1000)
  where id in (
    select s.id from allowed, sessions s
    where s.user_id = $1 and $6 = 'whisper' and s.kind = 'whisper' and s.revoked_at is null
    order by s.id for update of s
  )
  returning id
), session as (
  insert into sessions (id, user_id, kind, user_agent, ip, created_at, last_used_at, expires_at)
  select $5::uuid, $1::uuid, $6, $7, $8, moment, moment, to_timestamp($10::float8 / 1000)
  from allowed, to_timestamp($9::float8 / 1000) moment
  returning id, created_at, expires_at
), token as (
  insert into refresh_tokens (hash, session_id, generation, issued_at, expires_at)
  select decode($11, 'hex'), id, 0, created_at, expires_at from session
), event as (
  ${auditEventInsert('$12', 'allowed')}
)
select owner.*, (select coalesce(json_agg(id), '[]') from ended) as ended from owner`
