import type { Database } from '../../database.ts'
import type { StoredEntry } from '../../schema/account-keys.ts'
import { intArray, uuidArray } from '../array-literal.ts'

/** The entries of one user after a version, up to another one. */
export interface HistoryRange {
  userId: string
  after: number
  upTo: number
}

/** The entries of some key histories by user id, oldest first: at most `perUser` of each and `limit` of all. */
export async function readKeyHistories(
  db: Database,
  ranges: readonly HistoryRange[],
  { perUser, limit }: { perUser: number; limit: number },
): Promise<Map<string, StoredEntry[]>> {
  const rows = await db.rows<{ userId: string; entry: StoredEntry }>(HISTORIES, [
    uuidArray(ranges.map(({ userId }) => userId)),
    intArray(ranges.map(({ after }) => after)),
    intArray(ranges.map(({ upTo }) => upTo)),
    perUser,
    limit,
  ])
  const histories = new Map<string, StoredEntry[]>(ranges.map(({ userId }) => [userId, []]))
  for (const { userId, entry } of rows) histories.get(userId)?.push(entry)
  return histories
}

const HISTORIES = `
select h.user_id as "userId", h.entry
from unnest($1::uuid[], $2::int[], $3::int[]) as asked (user_id, after_version, last_version)
cross join lateral (
  select user_id, version, entry from account_key_history
  where user_id = asked.user_id and version > asked.after_version and version <= asked.last_version
  order by version limit $4::int
) h
order by h.user_id, h.version
limit $5::int`
