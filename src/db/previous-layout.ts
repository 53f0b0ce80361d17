import type { Database } from './database.ts'
import { failureOf } from './failures.ts'

/** Runs a statement in a transaction of its own. */
type Rows = Database['rows']

/**
 * The name under which this version connects. That of the version which still reads and writes the table `messages` was `parley`; the
 * next one, `parley/2`, does not know the shared ciphertexts of messages. The database tells the versions apart by these names.
 */
export const APPLICATION_NAME = 'parley/3'
const PREVIOUS_APPLICATION_NAME = 'parley'

/** Messages per transaction. Each locks its messages for some milliseconds. */
const BATCH_SIZE = 500
const REPORT_INTERVAL = 100_000
const NIL_UUID = '00000000-0000-0000-0000-000000000000'

/** A statement that waits for a table blocks those behind it, so it gives up soon. */
const LOCK_TIMEOUT_MS = 200

/**
 * Moves the copies of all messages from the table `messages` into the rows of their messages, while nodes of either version serve:
 * migration 0005 keeps both alike. Idempotent, so that it goes on after an interruption.
 */
export async function copyPreviousLayout(
  rows: Rows,
  { kind, report }: Pick<Database, 'kind'> & { report: (line: string) => void },
): Promise<void> {
  if (!(await hasPreviousLayout(rows))) return
  let after = NIL_UUID
  for (let moved = 0; ; moved += BATCH_SIZE) {
    const [batch] = await rows<{ last: string | null }>(FILL, [after, BATCH_SIZE])
    if (!batch?.last) break
    after = batch.last
    if (moved && moved % REPORT_INTERVAL === 0)
      report(`Moved the copies of ${moved} messages to the new layout.`)
  }
  await rows(RANGES, [])
  await createHistoryIndex(rows, kind)
}

/**
 * Drops the table `messages`, unless a node of the previous version is connected.
 * @returns whether the table is gone.
 * @throws if a message would lose its copies.
 */
export async function dropPreviousLayout(rows: Rows): Promise<boolean> {
  if (!(await hasPreviousLayout(rows))) return true
  const [nodes] = await rows<{ count: number }>(PREVIOUS_NODES, [PREVIOUS_APPLICATION_NAME])
  if (nodes?.count) return false
  const [missing] = await rows<{ count: number }>(MISSING, [])
  if (missing?.count)
    throw new Error(`The copies of ${missing.count} messages were not moved to the new layout.`)
  try {
    await rows(DROP, [])
    return true
  } catch (error) {
    if (failureOf(error) !== 'conflict') throw error
    // Another node has dropped it, or the tables are in use.
    return !(await hasPreviousLayout(rows))
  }
}

async function hasPreviousLayout(rows: Rows): Promise<boolean> {
  const [row] = await rows<{ exists: boolean }>(
    `select to_regclass('public.messages') is not null as exists`,
    [],
  )
  return row?.exists === true
}

/** The index of history without tombstones. PostgreSQL builds it without blocking sends. */
async function createHistoryIndex(rows: Rows, kind: Database['kind']): Promise<void> {
  const concurrently = kind === 'postgres' ? 'concurrently' : ''
  // An interrupted build leaves an invalid index.
  const [invalid] = await rows(INVALID_INDEX, [])
  if (invalid) await rows(`drop index ${concurrently} "message_groups_history"`, [])
  await rows(
    `create unique index ${concurrently} if not exists "message_groups_history"
      on "message_groups" ("conversation_id", "seq") where "deleted_seq" is null`,
    [],
  )
}

const INVALID_INDEX = `
select from pg_index where indexrelid = to_regclass('public.message_groups_history') and not indisvalid`

const FILL = `
with batch as (
  select id from message_groups where id > $1::uuid order by id limit $2
), filled as (
  select fill_message_groups(array(select id from batch), true)
)
select (select id from batch order by id desc limit 1)::text as last from filled`

/** One range for all copies that a user has from before they were added, or after they left. */
const RANGES = `
insert into copy_ranges
select c.conversation_id, c.recipient_id, min(c.seq) - 1, max(c.seq)
from messages c
left join members m on m.conversation_id = c.conversation_id and m.user_id = c.recipient_id
where m.user_id is null or c.seq <= m.joined_seq
group by c.conversation_id, c.recipient_id
on conflict do nothing`

const PREVIOUS_NODES = `
select count(*)::int as count from pg_stat_activity where datname = current_database() and application_name = $1`

const MISSING = `
select count(*)::int as count from message_groups g
where g.copies is null and g.deleted_seq is null and exists (select from messages c where c.group_id = g.id)`

const DROP = `
do $$ begin
  if to_regclass('public.messages') is null then return; end if;
  set local lock_timeout = ${LOCK_TIMEOUT_MS};
  lock table users, conversations, members, message_groups, messages in access exclusive mode;
  drop trigger "members_deleted" on "members";
  drop trigger "message_groups_inserted" on "message_groups";
  drop trigger "message_groups_updated" on "message_groups";
  drop table "messages";
  drop function "member_deleted", "message_group_changed", "previous_layout_changed", "fill_message_groups", "message_copy_id",
    "is_base64";
  alter table "message_groups" drop constraint "message_groups_seq",
    drop constraint "message_groups_conversation_id_conversations_id_fk",
    drop constraint "message_groups_sender_id_users_id_fk";
end $$`
