import { inArray, sql } from 'drizzle-orm'
import type { Database } from '../../database.ts'
import { conversations, messageGroups } from '../../schema.ts'
import { intArray, nullableTextArray, plainTextArray, textArray, uuidArray } from '../array-literal.ts'
import { type Copy, encodingOf, isPlain, storedCopies } from './copies.ts'

/** A message to be stored. Its ids are generated beforehand, so that it can be found if the commit outcome is unknown. */
export interface Draft {
  conversationId: string
  senderId: string
  groupId: string
  /** A UUID of the sender, as an idempotency key. */
  clientMessageId?: string | undefined
  /** In the order of the recipients' ids. */
  copies: Copy[]
  /** The ciphertext that all copies refer to. */
  shared?: string | undefined
  /** The ids of uploads of the sender that the message binds. */
  attachments?: readonly string[] | undefined
}

/** The `seq` a message got, and its time in milliseconds since the epoch, with the microseconds as a fraction. */
export interface Placed {
  verdict: 'ok'
  seq: number
  insertedAt: number
}

/** A message whose client message id was used before, and the earlier message. */
export interface Repeated extends Omit<Placed, 'verdict'> {
  verdict: 'repeated'
  groupId: string
}

/**
 * Why a message was not stored. `stale`: retry it, because the members changed while the statement waited for the lock, or the
 * message that it repeats, or one that binds the same attachment, is in the same batch.
 */
export interface Refused {
  verdict: 'stale' | 'no_conversation' | 'not_enough_recipients' | 'too_many_recipients' | 'no_attachment'
}

/** The outcome of one message. */
export type Outcome = Placed | Repeated | Refused

/**
 * Stores the valid messages of a batch in one statement, which is one transaction, in the given order.
 * @returns the outcome of each, in the same order.
 * @throws a unique violation of `CLIENT_MESSAGE_INDEX` if another process stores one of them at the same time.
 */
export function sendBatch(db: Database, drafts: readonly Draft[]): Promise<Outcome[]> {
  const conversationIds: string[] = []
  const groupIds: string[] = []
  const senderIds: string[] = []
  const encodings: number[] = []
  /** The positions of the first and the last copy of each message, counted from 1. */
  const firsts: number[] = []
  const lasts: number[] = []
  const recipientIds: string[] = []
  const contents: string[] = []
  for (const { conversationId, groupId, senderId, copies } of drafts) {
    conversationIds.push(conversationId)
    groupIds.push(groupId)
    senderIds.push(senderId)
    encodings.push(encodingOf(copies))
    firsts.push(contents.length + 1)
    for (const { recipientId, content } of copies) {
      recipientIds.push(recipientId)
      contents.push(content)
    }
    lasts.push(contents.length)
  }
  const params = [
    uuidArray(new Set(conversationIds)),
    uuidArray(groupIds),
    uuidArray(conversationIds),
    uuidArray(senderIds),
    intArray(encodings),
    intArray(firsts),
    intArray(lasts),
    uuidArray(recipientIds),
    encodings.every(isPlain) ? plainTextArray(contents) : textArray(contents),
  ]
  const isKeyed = drafts.some(({ clientMessageId }) => clientMessageId !== undefined)
  const hasShared = drafts.some(({ shared }) => shared !== undefined)
  if (isKeyed) params.push(uuidArray(drafts.map(({ clientMessageId }) => clientMessageId ?? 'null')))
  if (hasShared) params.push(nullableTextArray(drafts.map(({ shared }) => shared)))
  const attached = drafts.flatMap(({ groupId, attachments = [] }) =>
    attachments.map((id) => ({ groupId, id })),
  )
  if (attached.length) {
    params.push(uuidArray(attached.map(({ groupId }) => groupId)), uuidArray(attached.map(({ id }) => id)))
  }
  return db.rows(statementFor({ isKeyed, hasShared, hasAttachments: attached.length > 0 }), params)
}

/** The index that rejects a repeated send whose first message the statement does not see yet. */
export const CLIENT_MESSAGE_INDEX = 'message_groups_client_message'

/**
 * Finds which messages an earlier statement has stored whose commit outcome is unknown. It locks the conversations first, to
 * wait for a backend that is still running that statement; only a later statement sees what it commits.
 * @returns as `sendBatch`; a message that is not stored is `stale`.
 */
export function findSent(db: Database, drafts: readonly Draft[]): Promise<Outcome[]> {
  const conversationIds = [...new Set(drafts.map((draft) => draft.conversationId))]
  const groupIds = drafts.map((draft) => draft.groupId)
  return db.transaction(async (tx) => {
    await tx
      .select({ id: conversations.id })
      .from(conversations)
      .where(inArray(conversations.id, conversationIds))
      .orderBy(conversations.id)
      .for('update')
    const { id, seq } = messageGroups
    const groups = await tx
      .select({
        id,
        seq,
        insertedAt: sql<number>`(extract(epoch from ${messageGroups.insertedAt}) * 1000)::float8`,
      })
      .from(messageGroups)
      .where(inArray(id, groupIds))
    const found = new Map(groups.map((group) => [group.id, group]))
    return groupIds.map((groupId) => {
      const group = found.get(groupId)
      if (!group) return { verdict: 'stale' }
      return { verdict: 'ok', seq: group.seq, insertedAt: group.insertedAt }
    })
  })
}

const MICROSECOND = `interval '1 microsecond'`

/**
 * An array parameter in a form whose length the planner does not look at. Otherwise it takes a plan for these parameters for cheaper than
 * one for any, and plans each execution anew, which takes as long as executing a small batch.
 */
const param = (number: number, type: string) => `(select $${number}::${type}[])`

/** SQL that is part of a statement or left out. */
type Optional = (sql: string) => string

const included: Optional = (sql) => sql
const omitted: Optional = () => ''

/** What the messages of a batch have. */
interface BatchParts {
  isKeyed: boolean
  hasShared: boolean
  hasAttachments: boolean
}

const statements = new Map<string, string>()

function statementFor(parts: BatchParts): string {
  const key = JSON.stringify(parts)
  const known = statements.get(key) ?? sendBatchStatement(parts)
  statements.set(key, known)
  return known
}

/**
 * `locked` waits for the row locks and reads the newest conversations; everything else is read in the snapshot of the statement. The
 * members may therefore be outdated: if `members_version` differs between the two, the draft is `stale`. Rows are locked in the order of
 * their ids, so that two nodes cannot deadlock. `repeats` is a lateral join with a limit, because the planner may scan the whole table for
 * a plain join. Each message is stored one microsecond or more after its predecessor.
 * Batches without a client message id, a shared ciphertext or attachments do not pay for these.
 */
function sendBatchStatement({ isKeyed, hasShared, hasAttachments }: BatchParts): string {
  const [keyed, shared, attached] = [isKeyed, hasShared, hasAttachments].map((is) =>
    is ? included : omitted,
  ) as [Optional, Optional, Optional]
  let next = isKeyed ? 11 : 10
  const sharedTexts = hasShared ? param(next++, 'text') : ''
  const mayDiffer = isKeyed || hasAttachments ? included : omitted
  const slice = (array: string, draft: string) => `${array}[${draft}.first_copy:${draft}.last_copy]`
  const columns = ['uuid', 'uuid', 'uuid', 'int2', 'int4', 'int4'].map((type, index) =>
    param(index + 2, type),
  )
  return `
with locked as materialized (
  select id, members_version, last_seq, last_message_at from conversations
  where id = any(${param(1, 'uuid')}::uuid[]) order by id for update
), snapshot as materialized (
  select c.id, c.members_version,
    array(select m.user_id from members m where m.conversation_id = c.id order by m.user_id) as member_ids
  from conversations c where c.id = any(${param(1, 'uuid')}::uuid[])
), drafts as materialized (
  select *, ${slice(param(8, 'uuid'), 't')} as recipients
  from unnest(${columns}${keyed(`, ${param(10, 'uuid')}`)}) with ordinality
    as t (group_id, conversation_id, sender_id, copy_encoding, first_copy, last_copy${keyed(', client_message_id')}, n)
), ${keyed(`repeats as materialized (
  select d.group_id as draft_id, earlier.*
  from drafts d cross join lateral (
    select g.id, g.seq, g.inserted_at from message_groups g
    where g.conversation_id = d.conversation_id and g.sender_id = d.sender_id
      and g.client_message_id = d.client_message_id
    limit 1
  ) earlier
), `)}${attached(`wanted as materialized (
  select d.n, d.group_id, w.id, found.id is not null as is_bindable, row_number() over (partition by w.id order by d.n) as nth
  from unnest(${param(next, 'uuid')}, ${param(next + 1, 'uuid')}) w (group_id, id)
  join drafts d on d.group_id = w.group_id
  left join locked on locked.id = d.conversation_id
  left join lateral (
    select a.id from attachments a
    where a.id = w.id and a.conversation_id = locked.id and a.uploader_id = d.sender_id and a.received = a.size
      and a.message_id is null and a.released_at is null
    for update
  ) found on true
), `)}checked as materialized (
  select d.*, locked.last_seq, greatest(now(), locked.last_message_at + ${MICROSECOND}) as first_at,
    case ${keyed("when d.group_id in (select draft_id from repeats) then 'repeated'")}
    when locked.id is null or snapshot.id is null then 'no_conversation'
    when locked.members_version <> snapshot.members_version then 'stale'
    when d.sender_id <> all(snapshot.member_ids) then 'no_conversation'
    ${attached("when d.recipients = snapshot.member_ids and d.group_id in (select group_id from wanted where not is_bindable) then 'no_attachment'")}
    when d.recipients = snapshot.member_ids then 'ok'
    when d.recipients @> snapshot.member_ids then 'too_many_recipients'
    else 'not_enough_recipients' end as verdict
  from drafts d
  left join locked on locked.id = d.conversation_id
  left join snapshot on snapshot.id = d.conversation_id
), accepted as materialized (
  select *, row_number() over (partition by conversation_id order by n) as position
  from ${keyed(`(
    select *, row_number() over (partition by conversation_id, sender_id, coalesce(client_message_id, group_id) order by n)
      as nth
    from checked where verdict = 'ok'
  )`)} checked where verdict = 'ok'${keyed(' and nth = 1')}
    ${attached('and group_id not in (select group_id from wanted where nth > 1)')}
), advanced as (
  update conversations c set last_seq = c.last_seq + a.sends,
    last_message_at = greatest(now(), c.last_message_at + ${MICROSECOND}) + (a.sends - 1) * ${MICROSECOND}
  from (select conversation_id, count(*) as sends from accepted group by conversation_id) a
  where c.id = a.conversation_id
), groups as (
  insert into message_groups
    (id, conversation_id, sender_id, seq, inserted_at, copy_encoding, recipients, copies${keyed(', client_message_id')}${shared(', shared')})
  select a.group_id, a.conversation_id, a.sender_id, a.last_seq + a.position, a.first_at + (a.position - 1) * ${MICROSECOND},
    a.copy_encoding, a.recipients, ${storedCopies('a.copy_encoding', slice(param(9, 'text'), 'a'))}${keyed(', a.client_message_id')}${shared(`, (${sharedTexts})[a.n]`)}
  from accepted a
  returning id, seq, inserted_at
)${attached(`, bound as (
  update attachments set message_id = w.group_id
  from wanted w join accepted using (group_id) where attachments.id = w.id
)`)}${keyed(`, results as (
  select id as draft_id, id, seq, inserted_at from groups union all select * from repeats
)`)}
select ${mayDiffer("case when j.verdict = 'ok' and g.id is null then 'stale' else j.verdict end as")} verdict, g.seq::float8 as "seq", (extract(epoch from g.inserted_at) * 1000)::float8 as "insertedAt"
  ${keyed(', g.id as "groupId"')}
from checked j left join ${keyed('results') || 'groups'} g on g.${keyed('draft_') || ''}id = j.group_id
order by j.n`
}
