import type { Database } from '../../database.ts'
import { textArray, uuidArray } from '../array-literal.ts'
import { type Copy, encodingOf, storedCopies } from './copies.ts'

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
  | 'no_attachment'

/** A message after an edit. Times are milliseconds since the epoch, with the microseconds as a fraction. */
export interface Edited {
  verdict: 'ok'
  /** The `seq` of the edit, and that of the message. */
  editSeq: number
  seq: number
  insertedAt: number
  updatedAt: number
  /** The ids of the copies, in the order of the recipients. A replaced copy keeps its id. */
  copyIds: string[]
  /** Whether attachments of the message are to be deleted. */
  hasReleased: boolean
}

/** The new content of a message: the copies in the order of the recipients' ids, and the ciphertext that they refer to. */
export interface NewContent {
  copies: readonly Copy[]
  shared: string | null
  /** The ids of all attachments of the message from now on; undefined keeps those it has. */
  attachments: readonly string[] | undefined
}

/** Replaces the content of a message in one statement. Former members lose their copies, new members get one. */
export async function editMessage(
  db: Database,
  { conversationId, userId, groupId }: MessageRef,
  { copies, shared, attachments }: NewContent,
): Promise<Edited | { verdict: ChangeRefusal }> {
  const [row] = await db.rows<(Omit<Edited, 'copyIds'> & { copyIds: string }) | { verdict: ChangeRefusal }>(
    attachments ? EDIT_WITH_ATTACHMENTS : EDIT,
    [
      conversationId,
      userId,
      groupId,
      encodingOf(copies),
      uuidArray(copies.map((copy) => copy.recipientId)),
      textArray(copies.map((copy) => copy.content)),
      uuidArray(copies.map((copy) => copy.id)),
      shared,
      ...(attachments ? [uuidArray(attachments)] : []),
    ],
  )
  if (row?.verdict !== 'ok') return row ?? { verdict: 'no_conversation' }
  return { ...row, copyIds: JSON.parse(row.copyIds) }
}

/** A deletion: its `seq`, and the members at that time. */
export interface Deleted {
  verdict: 'ok'
  seq: number
  memberIds: string[]
  /** Whether attachments of the message are to be deleted. */
  hasReleased: boolean
}

/** Deletes the copies of a message, and marks it and its attachments as deleted, in one statement. */
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

function deletedOf({ verdict, seq, memberIds, hasReleased }: DeletedRow): Deleted {
  return { verdict, seq, memberIds: JSON.parse(memberIds), hasReleased }
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
  select sender_id, seq from message_groups where id = $3::uuid and conversation_id = $1::uuid and deleted_seq is null
), present as materialized (
  select array(select user_id from members where conversation_id = $1::uuid order by user_id) as member_ids
)`

const REFUSALS = `
when locked.last_seq <> snapshot.last_seq or locked.members_version <> snapshot.members_version then 'stale'
when $2::uuid <> all(present.member_ids) then 'no_conversation'
when not exists (select from message) then 'no_message'
when not exists (select from message where sender_id = $2::uuid) then 'not_sender'`

const ADVANCED = `
advanced as (
  update conversations set last_seq = last_seq + 1
  where id = $1::uuid and exists (select from checked where verdict = 'ok')
  returning last_seq
)`

/** Members who were added after the message get a range for their copy. */
const EDIT = editStatement({ hasAttachments: false })
const EDIT_WITH_ATTACHMENTS = editStatement({ hasAttachments: true })

function editStatement({ hasAttachments }: { hasAttachments: boolean }): string {
  const attached = (sql: string) => (hasAttachments ? sql : '')
  return `
with ${SOURCES}${attached(`, bindable as materialized (
  select a.id from attachments a, locked
  where a.id = any($9::uuid[]) and a.conversation_id = $1::uuid and a.uploader_id = $2::uuid and a.received = a.size
    and (a.message_id is null or a.message_id = $3::uuid) and a.released_at is null
  for update of a
)`)}, checked as materialized (
  select case ${REFUSALS}
    ${attached("when $5::uuid[] = present.member_ids and exists (select from unnest($9::uuid[]) w (id) where id not in (select id from bindable)) then 'no_attachment'")}
    when $5::uuid[] = present.member_ids then 'ok'
    when $5::uuid[] @> present.member_ids then 'too_many_recipients'
    else 'not_enough_recipients' end as verdict
  from locked, snapshot, present
), ${ADVANCED}, stored as (
  update message_groups g set edited_seq = advanced.last_seq, updated_at = now(), copy_encoding = $4::int2, recipients = $5::uuid[],
    copies = ${storedCopies('$4::int2', '$6::text[]')}, shared = $8::text,
    copy_ids = case when g.copy_ids is not null then array(
      select coalesce(g.copy_ids[array_position(g.recipients, c.recipient_id)], c.id)
      from unnest($5::uuid[], $7::uuid[]) c (recipient_id, id)
    ) end
  from advanced where g.id = $3::uuid
  returning g.seq, g.inserted_at, g.updated_at, g.copy_ids
), added as (
  insert into copy_ranges
  select $1::uuid, m.user_id, stored.seq - 1, stored.seq
  from members m, stored where m.conversation_id = $1::uuid and m.joined_seq >= stored.seq
  on conflict do nothing
)${attached(`, attached as (
  update attachments a set message_id = $3::uuid, released_at = case when a.id <> all($9::uuid[]) then now() end
  from advanced
  where a.released_at is null and a.conversation_id = $1::uuid and (a.message_id = $3::uuid or a.id = any($9::uuid[]))
  returning a.released_at
)`)}
select checked.verdict, ${hasAttachments ? 'exists (select from attached where released_at is not null)' : 'false'} as "hasReleased",
  advanced.last_seq::float8 as "editSeq", stored.seq::float8 as seq,
  (extract(epoch from stored.inserted_at) * 1000)::float8 as "insertedAt",
  (extract(epoch from stored.updated_at) * 1000)::float8 as "updatedAt",
  array_to_json(coalesce(stored.copy_ids, $7::uuid[]))::text as "copyIds"
from checked left join advanced on true left join stored on true`
}

const DELETE = `
with ${SOURCES}, checked as materialized (
  select case ${REFUSALS} else 'ok' end as verdict from locked, snapshot, present
), ${ADVANCED}, marked as (
  update message_groups g set deleted_seq = advanced.last_seq, recipients = null, copies = null, copy_ids = null, shared = null
  from advanced where g.id = $3::uuid
), released as (
  update attachments a set released_at = now() from advanced
  where a.conversation_id = $1::uuid and a.message_id = $3::uuid and a.released_at is null
  returning a.id
)
select checked.verdict, exists (select from released) as "hasReleased", advanced.last_seq::float8 as seq, array_to_json(present.member_ids)::text as "memberIds"
from present, checked left join advanced on true`

const FIND_DELETION = `
select 'ok' as verdict, false as "hasReleased", deleted_seq::float8 as seq,
  (select json_agg(user_id) from members where conversation_id = $1::uuid)::text as "memberIds"
from message_groups
where conversation_id = $1::uuid and sender_id = $2::uuid and id = $3::uuid and deleted_seq is not null`
