import { and, eq, isNull } from 'drizzle-orm'
import type { Database, Orm } from '../../database.ts'
import { refreshTokens, sessions } from '../../schema.ts'
import type { Device } from './sessions.ts'

/** A refresh token that a client has sent, with its session. Times are milliseconds since the epoch. */
export interface PresentedToken {
  sessionId: string
  userId: string
  /** When the session was opened. */
  createdAt: number
  isRevoked: boolean
  /** Differs after every change of the session, and every exchange of one of its tokens changes the session. */
  version: string
  generation: number
  expiresAt: number
  /** When it was exchanged for its successor. */
  firstUsedAt: number | null
  newest: { generation: number /** Hexadecimal. */; hash: string; expiresAt: number }
}

/** An exchange of a token. Times are milliseconds since the epoch. */
export interface TokenExchange extends Device {
  presented: PresentedToken
  hash: Uint8Array
  /** The hash of the token to add; null if the newest one was issued earlier. */
  successorHash: Uint8Array | null
  now: number
  /** When the newest token expires. */
  expiresAt: number
}

/** Finds a token with its session and the newest token of the session, at one moment. */
export async function findPresentedToken(
  db: Database,
  hash: Uint8Array,
): Promise<PresentedToken | undefined> {
  const [row] = await db.rows<PresentedToken>(FIND, [hex(hash)])
  return row
}

/**
 * Marks a token as used, adds its successor, and deletes the expired ones among the ten oldest, which are more than are added. Sets
 * the device and the expiry of the session.
 * @returns false, with nothing changed, when the session has changed since the token was found.
 */
export async function exchangeToken(db: Database, exchange: TokenExchange): Promise<boolean> {
  const { presented, hash, successorHash, now, expiresAt, userAgent, ip } = exchange
  const { sessionId, version, generation } = presented
  const successor = successorHash && hex(successorHash)
  const params = [sessionId, version, now, expiresAt, userAgent, ip, hex(hash), successor, generation]
  return (await db.rows(EXCHANGE, params)).length > 0
}

/** The session of a token, and when the token expires. */
export async function findRefreshToken(
  orm: Orm,
  hash: Uint8Array,
): Promise<{ sessionId: string; expiresAt: Date } | undefined> {
  const rows = await orm
    .select({ sessionId: refreshTokens.sessionId, expiresAt: refreshTokens.expiresAt })
    .from(refreshTokens)
    .where(eq(refreshTokens.hash, hash))
  return rows[0]
}

/** The session of a token, unless it is revoked, and what decides whether the token is still valid. */
export async function findTokenHolder(
  orm: Orm,
  hash: Uint8Array,
): Promise<
  | { sessionId: string; userId: string; createdAt: Date; expiresAt: Date; firstUsedAt: Date | null }
  | undefined
> {
  const rows = await orm
    .select({
      userId: sessions.userId,
      sessionId: sessions.id,
      createdAt: sessions.createdAt,
      expiresAt: refreshTokens.expiresAt,
      firstUsedAt: refreshTokens.firstUsedAt,
    })
    .from(refreshTokens)
    .innerJoin(sessions, and(eq(sessions.id, refreshTokens.sessionId), isNull(sessions.revokedAt)))
    .where(eq(refreshTokens.hash, hash))
    .prepare('token_holder')
    .execute()
  return rows[0]
}

function hex(hash: Uint8Array): string {
  return Buffer.from(hash).toString('hex')
}

const FIND = `
select s.id as "sessionId", s.user_id as "userId", s.revoked_at is not null as "isRevoked", s.xmin::text as version,
  (extract(epoch from s.created_at) * 1000)::float8 as "createdAt",
  t.generation, (extract(epoch from t.expires_at) * 1000)::float8 as "expiresAt",
  (extract(epoch from t.first_used_at) * 1000)::float8 as "firstUsedAt",
  json_build_object('generation', n.generation, 'hash', encode(n.hash, 'hex'),
    'expiresAt', (extract(epoch from n.expires_at) * 1000)::float8) as newest
from refresh_tokens t
join sessions s on s.id = t.session_id
cross join lateral (
  select generation, hash, expires_at from refresh_tokens
  where session_id = s.id order by generation desc limit 1
) n
where t.hash = decode($1, 'hex')`

/** The row version is compared again once the session is locked: of concurrent exchanges of a session, one succeeds. */
const EXCHANGE = `
with session as (
  update sessions set last_used_at = to_timestamp($3::float8 / 1000), expires_at = to_timestamp($4::float8 / 1000),
    user_agent = $5, ip = $6
  where id = $1 and xmin::text = $2 and revoked_at is null
  returning id
), used as (
  update refresh_tokens set first_used_at = to_timestamp($3::float8 / 1000) from session
  where hash = decode($7, 'hex') and $8::text is not null
), successor as (
  insert into refresh_tokens (hash, session_id, generation, issued_at, expires_at)
  select decode($8, 'hex'), id, $9::int + 1, to_timestamp($3::float8 / 1000), to_timestamp($4::float8 / 1000)
  from session where $8::text is not null
), expired as (
  delete from refresh_tokens
  where expires_at <= to_timestamp($3::float8 / 1000) and $8::text is not null and hash in (
    select t.hash from session join refresh_tokens t on t.session_id = session.id order by t.generation limit 10)
)
select id from session`
