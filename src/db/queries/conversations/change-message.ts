import type { Database } from '../../database.ts'
import { textArray, uuidArray } from '../array-literal.ts'
import type { Copy } from './send-batch.ts'

/** A message, and the user who changes it. */
export interface MessageRef {
  conversationId: string
  userId: string
  groupId: string
}

/** Why a message was not changed. `stale`: retry, because the conversation changed while the statement waited for its lock. */
export type ChangeRefusal =
  | 'stale'
  | 'no_conversation'
  | 'no_message'
  | 'not_sender'
  | 'not_enough_recipients'
  | 'too_many_recipients'

/** A message after an edit. Times are milliseconds since the epoch, with the microseconds as a fraction. */
export interface Edited {
  verdict: 'ok'
  /** The `seq` of the edit, and that of the message. */
  editSeq: number
  seq: number
  insertedAt: number
  updatedAt: number
  /** The ids of the stored copies by recipient. A replaced copy keeps its id. */
  copyIds: Map<string, string>
}

/** Replaces all copies of a message in one statement. Former members lose theirs, new members get one. */
export async function editMessage(
  db: Database,
  { conversationId, userId, groupId }: MessageRef,
  copies: readonly Copy[],
): Promise<Edited | { verdict: ChangeRefusal }> {
  const [row] = await db.rows<(Omit<Edited, 'copyIds'> & { copyIds: string }) | { verdict: ChangeRefusal }>(
    EDIT,
    [
      conversationId,
      userId,
      groupId,
      uuidArray(copies.map((copy) => copy.id)),
      uuidArray(copies.map((copy) => copy.recipientId)),
      textArray(copies.map((copy) => copy.content)),
    ],
  )
  if (row?.verdict !== 'ok') return row ?? { verdict: 'no_conversation' }
  return { ...row, copyIds: new Map(Object.entries(JSON.parse(row.copyIds))) }
}

/** A deletion: its `seq`, and the members at that time. */
export interface Deleted {
  verdict: 'ok'
  seq: number
  memberIds: string[]
}

/** Deletes the copies of a message and marks it as deleted, in one statement. */
export async function deleteMessage(
  db: Database,
  { conversationId, userId, groupId }: MessageRef,
): Promise<Deleted | { verdict: ChangeRefusal }> {
  const params = [conversationId, userId, groupId]
  const [row] = await db.rows<DeletedRow | { verdict: ChangeRefusal }>(DELETE, params)
  return row?.verdict === 'ok' ? deletedOf(row) : (row ?? { verdict: 'no_conversation' })
}

/** The deletion of the user's own message, with the present members; undefined if it is not deleted. */
export async function findDeletion(
  db: Database,
  { conversationId, userId, groupId }: MessageRef,
): Promise<Deleted | undefined> {
  const [row] = await db.rows<DeletedRow>(FIND_DELETION, [conversationId, userId, groupId])
  return row && deletedOf(row)
}

type DeletedRow = Omit<Deleted, 'memberIds'> & { memberIds: string }

function deletedOf({ verdict, seq, memberIds }: DeletedRow): Deleted {
  return { verdict, seq, memberIds: JSON.parse(memberIds) }
}

/**
 * As in `sendBatch`, only `locked` reads the newest conversation; everything else is read in the snapshot of the statement. If
 * the two differ, the change is `stale`.
 */
const SOURCES = `
locked as materialized (
  select last_seq, members_version from conversations where id = $1::uuid for update
), snapshot as materialized (
  select last_seq, members_version from conversations where id = $1::uuid
), message as materialized (
  select * from message_groups where id = $3::uuid and conversation_id = $1::uuid and deleted_seq is null
), member_ids as materialized (
  select user_id from members where conversation_id = $1::uuid
)`

const REFUSALS = `
when locked.last_seq <> snapshot.last_seq or locked.members_version <> snapshot.members_version then 'stale'
when not exists (select from member_ids where user_id = $2::uuid) then 'no_conversation'
when not exists (select from message) then 'no_message'
when not exists (select from message where sender_id = $2::uuid) then 'not_sender'`

const ADVANCED = `
advanced as (
  update conversations set last_seq = last_seq + 1
  where id = $1::uuid and exists (select from checked where verdict = 'ok')
  returning last_seq
)`

const EDIT = `
with ${SOURCES}, copies as materialized (
  select * from unnest($4::uuid[], $5::uuid[], $6::text[]) as t (id, recipient_id, content)
), checked as materialized (
  select case ${REFUSALS}
    when exists (select from member_ids where user_id not in (select recipient_id from copies))
      then 'not_enough_recipients'
    when exists (select from copies where recipient_id not in (select user_id from member_ids))
      then 'too_many_recipients'
    else 'ok' end as verdict
  from locked, snapshot
), ${ADVANCED}, marked as (
  update message_groups g set edited_seq = advanced.last_seq from advanced where g.id = $3::uuid
  returning g.seq, g.inserted_at
), deleted_copies as (
  delete from messages using advanced
  where group_id = $3::uuid and recipient_id not in (select recipient_id from copies)
), stored as (
  insert into messages (group_id, recipient_id, id, conversation_id, seq, content)
  select $3::uuid, recipient_id, id, $1::uuid, marked.seq, content from copies, marked
  on conflict (group_id, recipient_id) do update set content = excluded.content, updated_at = excluded.updated_at
  returning recipient_id, id
)
select checked.verdict, advanced.last_seq::float8 as "editSeq", marked.seq::float8 as seq,
  (extract(epoch from marked.inserted_at) * 1000)::float8 as "insertedAt",
  (extract(epoch from now()) * 1000)::float8 as "updatedAt",
  (select json_object_agg(recipient_id, id) from stored)::text as "copyIds"
from checked left join advanced on true left join marked on true`

const DELETE = `
with ${SOURCES}, checked as materialized (
  select case ${REFUSALS} else 'ok' end as verdict from locked, snapshot
), ${ADVANCED}, marked as (
  update message_groups g set deleted_seq = advanced.last_seq from advanced where g.id = $3::uuid
), deleted_copies as (
  delete from messages using advanced where group_id = $3::uuid
)
select checked.verdict, advanced.last_seq::float8 as seq, (select json_agg(user_id) from member_ids)::text as "memberIds"
from checked left join advanced on true`

const FIND_DELETION = `
select 'ok' as verdict, deleted_seq::float8 as seq,
  (select json_agg(user_id) from members where conversation_id = $1::uuid)::text as "memberIds"
from message_groups
where conversation_id = $1::uuid and sender_id = $2::uuid and id = $3::uuid and deleted_seq is not null`
