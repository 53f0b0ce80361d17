import { inArray, sql } from 'drizzle-orm'
import type { Database } from '../../database.ts'
import { conversations, messageGroups } from '../../schema.ts'
import { textArray, uuidArray } from '../array-literal.ts'

/** One recipient's encrypted copy of a message. */
export interface Copy {
  id: string
  recipientId: string
  content: string
}

/** A message to be stored. Its ids are generated beforehand, so that it can be found if the commit outcome is unknown. */
export interface Draft {
  conversationId: string
  senderId: string
  groupId: string
  /** A UUID of the sender, as an idempotency key. */
  clientMessageId?: string | undefined
  copies: Copy[]
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
 * message that it repeats is in the same batch.
 */
export interface Refused {
  verdict: 'stale' | 'no_conversation' | 'not_enough_recipients' | 'too_many_recipients'
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
  const copyGroupIds: string[] = []
  const copyIds: string[] = []
  const recipientIds: string[] = []
  const contents: string[] = []
  for (const { conversationId, groupId, senderId, copies } of drafts) {
    conversationIds.push(conversationId)
    groupIds.push(groupId)
    senderIds.push(senderId)
    for (const { id, recipientId, content } of copies) {
      copyGroupIds.push(groupId)
      copyIds.push(id)
      recipientIds.push(recipientId)
      contents.push(content)
    }
  }
  const params = [
    uuidArray(new Set(conversationIds)),
    uuidArray(groupIds),
    uuidArray(conversationIds),
    uuidArray(senderIds),
    uuidArray(copyGroupIds),
    uuidArray(copyIds),
    uuidArray(recipientIds),
    textArray(contents),
  ]
  if (!drafts.some(isKeyed)) return db.rows(SEND_BATCH, params)
  const clientMessageIds = drafts.map((draft) => draft.clientMessageId ?? 'null')
  return db.rows(SEND_KEYED_BATCH, [...params, uuidArray(clientMessageIds)])
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

function isKeyed({ clientMessageId }: Draft): boolean {
  return clientMessageId !== undefined
}

const MICROSECOND = `interval '1 microsecond'`

const SEND_BATCH = sendBatchStatement((_sql) => '')
const SEND_KEYED_BATCH = sendBatchStatement((sql) => sql)

/**
 * `locked` waits for the row locks and reads the newest conversations; everything else is read in the snapshot of the
 * statement. The members may therefore be outdated: if `members_version` differs between the two, the draft is `stale`. Rows
 * are locked in the order of their ids, so that two nodes cannot deadlock. `repeats` is a lateral join with a limit, because
 * the planner may scan the whole table for a plain join. Each message is stored one microsecond or more after its predecessor.
 * @param keyed includes SQL for drafts with a client message id; batches without any do not pay for it.
 */
function sendBatchStatement(keyed: (sql: string) => string): string {
  return `
with locked as materialized (
  select id, members_version from conversations where id = any($1::uuid[]) order by id for update
), snapshot as materialized (
  select c.id, c.members_version, (select count(*) from members m where m.conversation_id = c.id) as members
  from conversations c where c.id = any($1::uuid[])
), copies as materialized (
  select * from unnest($5::uuid[], $6::uuid[], $7::uuid[], $8::text[]) as t (group_id, id, recipient_id, content)
), drafts as materialized (
  select * from unnest($2::uuid[], $3::uuid[], $4::uuid[]${keyed(', $9::uuid[]')})
    with ordinality as t (group_id, conversation_id, sender_id${keyed(', client_message_id')}, n)
), ${keyed(`repeats as materialized (
  select d.group_id as draft_id, earlier.*
  from drafts d cross join lateral (
    select g.id, g.seq, g.inserted_at from message_groups g
    where g.conversation_id = d.conversation_id and g.sender_id = d.sender_id
      and g.client_message_id = d.client_message_id
    limit 1
  ) earlier
), `)}recipients as materialized (
  select d.group_id, count(c.group_id) as copies, count(m.user_id) as matching
  from drafts d
  left join copies c using (group_id)
  left join members m on m.conversation_id = d.conversation_id and m.user_id = c.recipient_id
  group by d.group_id
), checked as materialized (
  select d.*, case ${keyed("when d.group_id in (select draft_id from repeats) then 'repeated'")}
    when locked.id is null or snapshot.id is null then 'no_conversation'
    when locked.members_version <> snapshot.members_version then 'stale'
    when not exists (select from members m where m.conversation_id = d.conversation_id and m.user_id = d.sender_id)
      then 'no_conversation'
    when a.matching < snapshot.members then 'not_enough_recipients'
    when a.matching < a.copies then 'too_many_recipients'
    else 'ok' end as verdict
  from drafts d
  join recipients a using (group_id)
  left join locked on locked.id = d.conversation_id
  left join snapshot on snapshot.id = d.conversation_id
), accepted as materialized (
  select *, row_number() over (partition by conversation_id order by n) as position
  from ${keyed(`(
    select *, row_number() over (partition by conversation_id, sender_id, coalesce(client_message_id, group_id) order by n)
      as nth
    from checked where verdict = 'ok'
  )`)} checked where verdict = 'ok'${keyed(' and nth = 1')}
), advanced as (
  update conversations c set last_seq = c.last_seq + a.sends,
    last_message_at = greatest(now(), c.last_message_at + ${MICROSECOND}) + (a.sends - 1) * ${MICROSECOND}
  from (select conversation_id, count(*) as sends from accepted group by conversation_id) a
  where c.id = a.conversation_id
  returning c.id, c.last_seq - a.sends as before, c.last_message_at - a.sends * ${MICROSECOND} as before_first
), groups as (
  insert into message_groups (id, conversation_id, sender_id, seq, inserted_at${keyed(', client_message_id')})
  select a.group_id, a.conversation_id, a.sender_id, t.before + a.position,
    t.before_first + a.position * ${MICROSECOND}${keyed(', a.client_message_id')}
  from accepted a join advanced t on t.id = a.conversation_id
  returning id, conversation_id, seq, inserted_at
), stored as (
  insert into messages (group_id, recipient_id, id, conversation_id, seq, content, updated_at)
  select c.group_id, c.recipient_id, c.id, g.conversation_id, g.seq, c.content, g.inserted_at
  from copies c join groups g on g.id = c.group_id
)${keyed(`, results as (
  select id as draft_id, id, seq, inserted_at from groups union all select * from repeats
)`)}
select ${keyed("case when j.verdict = 'ok' and g.id is null then 'stale' else j.verdict end as")} verdict, g.seq::float8 as "seq", (extract(epoch from g.inserted_at) * 1000)::float8 as "insertedAt"
  ${keyed(', g.id as "groupId"')}
from checked j left join ${keyed('results') || 'groups'} g on g.${keyed('draft_') || ''}id = j.group_id
order by j.n`
}
