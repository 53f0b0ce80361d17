import { and, eq, sql } from 'drizzle-orm'
import type { Database, Orm } from '../../database.ts'
import { accountData } from '../../schema.ts'

/** Data of an account, without its content. `size` is in bytes. */
export interface DataSummary {
  name: string
  version: number
  size: number
  updatedAt: Date
}

/** Data of an account. */
export interface AccountDatum extends DataSummary {
  data: string
}

/** What was written; `isFull` if nothing was because the account has data under too many names. */
export interface DataWrite {
  version: number | null
  /** Milliseconds since the epoch. */
  updatedAt: number | null
  isFull: boolean
}

const summaryColumns = {
  name: accountData.name,
  version: accountData.version,
  size: sql<number>`octet_length(${accountData.data})`,
  updatedAt: accountData.updatedAt,
}

/** All data of an account, by name. */
export function listData(orm: Orm, userId: string): Promise<DataSummary[]> {
  return orm
    .select(summaryColumns)
    .from(accountData)
    .where(eq(accountData.userId, userId))
    .orderBy(accountData.name)
}

export async function findData(orm: Orm, userId: string, name: string): Promise<AccountDatum | undefined> {
  const [row] = await orm
    .select({ ...summaryColumns, data: accountData.data })
    .from(accountData)
    .where(isNamed(userId, name))
  return row
}

/**
 * Stores data in place of the version `replaces`; null adds it, if there is none under this name and fewer than `maxNames` others.
 * Nothing is written if that does not hold.
 */
export async function writeData(
  db: Database,
  { userId, name, data, replaces }: { userId: string; name: string; data: string; replaces: number | null },
  maxNames: number,
): Promise<DataWrite> {
  const [, rows] = await db.pipeline([
    { text: NEXT_VERSION, params: [userId] },
    { text: WRITE, params: [userId, name, data, replaces, maxNames] },
  ])
  // The columns of the statement below.
  return (rows as DataWrite[])[0] as DataWrite
}

/** Deletes data of this version; false if there is none. */
export async function deleteData(
  orm: Orm,
  userId: string,
  { name, version }: { name: string; version: number },
): Promise<boolean> {
  const rows = await orm
    .delete(accountData)
    .where(and(isNamed(userId, name), eq(accountData.version, version)))
    .returning({ name: accountData.name })
  return rows.length > 0
}

function isNamed(userId: string, name: string) {
  return and(eq(accountData.userId, userId), eq(accountData.name, name))
}

/** A statement of its own, so that the next one counts the names that were committed before the lock was taken. */
const NEXT_VERSION = `
insert into account_data_versions as v (user_id, last_version) values ($1, 1)
on conflict (user_id) do update set last_version = v.last_version + 1`

const WRITE = `
with next as (
  select last_version as version from account_data_versions where user_id = $1::uuid
), names as (
  select count(*) as count from account_data where user_id = $1::uuid
), replaced as (
  update account_data d set data = $3, version = next.version, updated_at = now()
  from next where d.user_id = $1::uuid and d.name = $2 and d.version = $4::bigint
  returning d.version, d.updated_at
), added as (
  insert into account_data (user_id, name, version, data)
  select $1::uuid, $2, next.version, $3 from next, names where $4::bigint is null and names.count < $5::int
  on conflict do nothing
  returning version, updated_at
)
select w.version::float8 as version, (extract(epoch from w.updated_at) * 1000)::float8 as "updatedAt",
  $4::bigint is null and names.count >= $5::int
    and not exists (select from account_data where user_id = $1::uuid and name = $2) as "isFull"
from names left join (select * from replaced union all select * from added) w on true`
