import { inArray } from 'drizzle-orm'
import type { Database } from '../database.ts'
import { conversations, messageGroups } from '../schema.ts'
import { textArray, uuidArray } from './array-literal.ts'

/** One recipient's encrypted copy of a message. */
export interface Copy {
  id: string
  recipientId: string
  content: string
}

/** A message about to be sent. Its ids are made beforehand, so that it can be found again when the answer is lost. */
export interface Draft {
  conversationId: string
  senderId: string
  groupId: string
  /** The sender's own name for it: what was sent under it before is not sent again. */
  clientMessageId?: string | undefined
  copies: Copy[]
}

/** The place a message got in its conversation's order, and when (milliseconds since the epoch). */
export interface Placed {
  verdict: 'ok'
  seq: number
  insertedAt: number
}

/** A message that was sent before, as it was sent then. */
export interface Repeated extends Omit<Placed, 'verdict'> {
  verdict: 'repeated'
  groupId: string
}

/**
 * Why a message was not stored. `stale`: it must be tried again, since the members it was judged by are no longer true, or
 * the one that it repeats was stored along with it.
 */
export interface Refused {
  verdict: 'stale' | 'no_conversation' | 'not_enough_recipients' | 'too_many_recipients'
}

/** What became of a message. */
export type Outcome = Placed | Repeated | Refused

/**
 * Stores many messages in one statement, which is one transaction: those that keep the rules, in the order given.
 * @returns what became of each, in the same order.
 * @throws a unique violation of `CLIENT_MESSAGE_INDEX` when another process is just sending one of them.
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

/** What makes a repeated send fail that cannot be known for one yet. */
export const CLIENT_MESSAGE_INDEX = 'message_groups_client_message'

/**
 * Looks which of these messages were stored by a statement whose answer was lost. The conversations are locked first,
 * so as to wait for a server process that is still at it; only a later statement sees what that one commits.
 * @returns as `sendBatch`; one that is not there is `stale`.
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
    const groups = await tx.select().from(messageGroups).where(inArray(messageGroups.id, groupIds))
    const found = new Map(groups.map((group) => [group.id, group]))
    return groupIds.map((groupId) => {
      const group = found.get(groupId)
      if (!group) return { verdict: 'stale' }
      return { verdict: 'ok', seq: group.seq, insertedAt: group.insertedAt.getTime() }
    })
  })
}

function isKeyed({ clientMessageId }: Draft): boolean {
  return clientMessageId !== undefined
}

const SEND_BATCH = sendBatchStatement((_sql) => '')
const SEND_KEYED_BATCH = sendBatchStatement((sql) => sql)

/**
 * `locked` waits for its turn and reads the conversations as they are then; all else is read as it was when the statement
 * began. So a member list may be out of date by the time it is used: `seen.members_version` tells. Rows are locked in the
 * order of their ids, so that two nodes never wait for each other. `known` asks draft by draft, hence the limit: as a join, the
 * planner may read the whole table for it.
 * @param keyed what concerns drafts with a name of their sender's; others must not pay for it.
 */
function sendBatchStatement(keyed: (sql: string) => string): string {
  return `
with locked as materialized (
  select id, members_version from conversations where id = any($1::uuid[]) order by id for update
), seen as materialized (
  select c.id, c.members_version, (select count(*) from members m where m.conversation_id = c.id) as members
  from conversations c where c.id = any($1::uuid[])
), copies as materialized (
  select * from unnest($5::uuid[], $6::uuid[], $7::uuid[], $8::text[]) as t (group_id, id, recipient_id, content)
), drafts as materialized (
  select * from unnest($2::uuid[], $3::uuid[], $4::uuid[]${keyed(', $9::uuid[]')})
    with ordinality as t (group_id, conversation_id, sender_id${keyed(', client_message_id')}, n)
), ${keyed(`known as materialized (
  select d.group_id as draft_id, earlier.*
  from drafts d cross join lateral (
    select g.id, g.seq, g.inserted_at from message_groups g
    where g.conversation_id = d.conversation_id and g.sender_id = d.sender_id
      and g.client_message_id = d.client_message_id
    limit 1
  ) earlier
), `)}addressed as materialized (
  select d.group_id, count(c.group_id) as copies, count(m.user_id) as matching
  from drafts d
  left join copies c using (group_id)
  left join members m on m.conversation_id = d.conversation_id and m.user_id = c.recipient_id
  group by d.group_id
), judged as materialized (
  select d.*, case ${keyed("when d.group_id in (select draft_id from known) then 'repeated'")}
    when locked.id is null or seen.id is null then 'no_conversation'
    when locked.members_version <> seen.members_version then 'stale'
    when not exists (select from members m where m.conversation_id = d.conversation_id and m.user_id = d.sender_id)
      then 'no_conversation'
    when a.matching < seen.members then 'not_enough_recipients'
    when a.matching < a.copies then 'too_many_recipients'
    else 'ok' end as verdict
  from drafts d
  join addressed a using (group_id)
  left join locked on locked.id = d.conversation_id
  left join seen on seen.id = d.conversation_id
), accepted as materialized (
  select *, row_number() over (partition by conversation_id order by n) as place
  from ${keyed(`(
    select *, row_number() over (partition by conversation_id, sender_id, coalesce(client_message_id, group_id) order by n)
      as nth
    from judged where verdict = 'ok'
  )`)} judged where verdict = 'ok'${keyed(' and nth = 1')}
), taken as (
  update conversations c set last_seq = c.last_seq + a.sends
  from (select conversation_id, count(*) as sends from accepted group by conversation_id) a
  where c.id = a.conversation_id
  returning c.id, c.last_seq - a.sends as before
), groups as (
  insert into message_groups (id, conversation_id, sender_id, seq${keyed(', client_message_id')})
  select a.group_id, a.conversation_id, a.sender_id, t.before + a.place${keyed(', a.client_message_id')}
  from accepted a join taken t on t.id = a.conversation_id
  returning id, conversation_id, seq, inserted_at
), stored as (
  insert into messages (group_id, recipient_id, id, conversation_id, seq, content)
  select c.group_id, c.recipient_id, c.id, g.conversation_id, g.seq, c.content
  from copies c join groups g on g.id = c.group_id
)${keyed(`, settled as (
  select id as draft_id, id, seq, inserted_at from groups union all select * from known
)`)}
select ${keyed("case when j.verdict = 'ok' and g.id is null then 'stale' else j.verdict end as")} verdict, g.seq::float8 as "seq", (extract(epoch from g.inserted_at) * 1000)::float8 as "insertedAt"
  ${keyed(', g.id as "groupId"')}
from judged j left join ${keyed('settled') || 'groups'} g on g.${keyed('draft_') || ''}id = j.group_id
order by j.n`
}
