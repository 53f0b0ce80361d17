import { v7 as newId } from 'uuid'
import { textArray, uuidArray } from '../../src/db/queries/array-literal.ts'
import type { Message } from '../../src/db/queries/conversations/messages.ts'

/** Runs a statement on a connection. */
type Rows = <Row>(statement: string, params: unknown[]) => Promise<Row[]>

/** What the version before migration 0005 did with a conversation, by its own statements. */
export class PreviousVersion {
  readonly #rows: Rows

  constructor(rows: Rows) {
    this.#rows = rows
  }

  /** @returns the id of the message. */
  async send(
    conversationId: string,
    senderId: string,
    contents: ReadonlyMap<string, string>,
  ): Promise<string> {
    const id = newId()
    const recipients = [...contents.keys()]
    await this.#accepted(SEND, [
      uuidArray([conversationId]),
      uuidArray([id]),
      uuidArray([conversationId]),
      uuidArray([senderId]),
      uuidArray(recipients.map(() => id)),
      uuidArray(recipients.map(() => newId())),
      uuidArray(recipients),
      textArray([...contents.values()]),
    ])
    return id
  }

  async edit(
    conversationId: string,
    senderId: string,
    { groupId, copies }: { groupId: string; copies: ReadonlyMap<string, string> },
  ): Promise<void> {
    const recipients = [...copies.keys()]
    const ids = recipients.map(() => newId())
    const params = [conversationId, senderId, groupId, uuidArray(ids), uuidArray(recipients)]
    await this.#accepted(EDIT, [...params, textArray([...copies.values()])])
  }

  async delete(conversationId: string, senderId: string, groupId: string): Promise<void> {
    await this.#accepted(DELETE, [conversationId, senderId, groupId])
  }

  async leave(conversationId: string, userId: string): Promise<void> {
    await this.#rows('delete from members where conversation_id = $1 and user_id = $2', [
      conversationId,
      userId,
    ])
    await this.#rows(
      'update conversations set last_seq = last_seq + 1, members_version = members_version + 1 where id = $1',
      [conversationId],
    )
  }

  async add(conversationId: string, userId: string): Promise<void> {
    await this.#rows(
      `insert into members (conversation_id, user_id, joined_seq, read_seq)
      select id, $2, last_seq, last_seq from conversations where id = $1`,
      [conversationId, userId],
    )
    await this.#rows('update conversations set members_version = members_version + 1 where id = $1', [
      conversationId,
    ])
  }

  /** All messages of a member, newest first. */
  async history(conversationId: string, userId: string): Promise<Message[]> {
    const params = [uuidArray([conversationId]), uuidArray([userId]), `{${Number.MAX_SAFE_INTEGER}}`]
    const rows = await this.#rows<Message & { page: number }>(HISTORY, params)
    return rows.map(({ page: _page, ...message }) => ({ ...message, shared: null }))
  }

  async #accepted(statement: string, params: unknown[]): Promise<void> {
    for (;;) {
      const [row] = await this.#rows<{ verdict: string }>(statement, params)
      if (row?.verdict === 'ok') return
      if (row?.verdict !== 'stale') throw new Error(`The previous version was refused: ${row?.verdict}`)
    }
  }
}

const SEND = `
with locked as materialized (
  select id, members_version from conversations where id = any($1::uuid[]) order by id for update
), snapshot as materialized (
  select c.id, c.members_version, (select count(*) from members m where m.conversation_id = c.id) as members
  from conversations c where c.id = any($1::uuid[])
), copies as materialized (
  select * from unnest($5::uuid[], $6::uuid[], $7::uuid[], $8::text[]) as t (group_id, id, recipient_id, content)
), drafts as materialized (
  select * from unnest($2::uuid[], $3::uuid[], $4::uuid[])
    with ordinality as t (group_id, conversation_id, sender_id, n)
), recipients as materialized (
  select d.group_id, count(c.group_id) as copies, count(m.user_id) as matching
  from drafts d
  left join copies c using (group_id)
  left join members m on m.conversation_id = d.conversation_id and m.user_id = c.recipient_id
  group by d.group_id
), checked as materialized (
  select d.*, case 
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
  from  checked where verdict = 'ok'
), advanced as (
  update conversations c set last_seq = c.last_seq + a.sends,
    last_message_at = greatest(now(), c.last_message_at + interval '1 microsecond') + (a.sends - 1) * interval '1 microsecond'
  from (select conversation_id, count(*) as sends from accepted group by conversation_id) a
  where c.id = a.conversation_id
  returning c.id, c.last_seq - a.sends as before, c.last_message_at - a.sends * interval '1 microsecond' as before_first
), groups as (
  insert into message_groups (id, conversation_id, sender_id, seq, inserted_at)
  select a.group_id, a.conversation_id, a.sender_id, t.before + a.position,
    t.before_first + a.position * interval '1 microsecond'
  from accepted a join advanced t on t.id = a.conversation_id
  returning id, conversation_id, seq, inserted_at
), stored as (
  insert into messages (group_id, recipient_id, id, conversation_id, seq, content, updated_at)
  select c.group_id, c.recipient_id, c.id, g.conversation_id, g.seq, c.content, g.inserted_at
  from copies c join groups g on g.id = c.group_id
)
select  verdict, g.seq::float8 as "seq", (extract(epoch from g.inserted_at) * 1000)::float8 as "insertedAt"
  
from checked j left join groups g on g.id = j.group_id
order by j.n`

const EDIT = `
with 
locked as materialized (
  select last_seq, members_version from conversations where id = $1::uuid for update
), snapshot as materialized (
  select last_seq, members_version from conversations where id = $1::uuid
), message as materialized (
  select * from message_groups where id = $3::uuid and conversation_id = $1::uuid and deleted_seq is null
), member_ids as materialized (
  select user_id from members where conversation_id = $1::uuid
), copies as materialized (
  select * from unnest($4::uuid[], $5::uuid[], $6::text[]) as t (id, recipient_id, content)
), checked as materialized (
  select case 
when locked.last_seq <> snapshot.last_seq or locked.members_version <> snapshot.members_version then 'stale'
when not exists (select from member_ids where user_id = $2::uuid) then 'no_conversation'
when not exists (select from message) then 'no_message'
when not exists (select from message where sender_id = $2::uuid) then 'not_sender'
    when exists (select from member_ids where user_id not in (select recipient_id from copies))
      then 'not_enough_recipients'
    when exists (select from copies where recipient_id not in (select user_id from member_ids))
      then 'too_many_recipients'
    else 'ok' end as verdict
  from locked, snapshot
), 
advanced as (
  update conversations set last_seq = last_seq + 1
  where id = $1::uuid and exists (select from checked where verdict = 'ok')
  returning last_seq
), marked as (
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
with 
locked as materialized (
  select last_seq, members_version from conversations where id = $1::uuid for update
), snapshot as materialized (
  select last_seq, members_version from conversations where id = $1::uuid
), message as materialized (
  select * from message_groups where id = $3::uuid and conversation_id = $1::uuid and deleted_seq is null
), member_ids as materialized (
  select user_id from members where conversation_id = $1::uuid
), checked as materialized (
  select case 
when locked.last_seq <> snapshot.last_seq or locked.members_version <> snapshot.members_version then 'stale'
when not exists (select from member_ids where user_id = $2::uuid) then 'no_conversation'
when not exists (select from message) then 'no_message'
when not exists (select from message where sender_id = $2::uuid) then 'not_sender' else 'ok' end as verdict from locked, snapshot
), 
advanced as (
  update conversations set last_seq = last_seq + 1
  where id = $1::uuid and exists (select from checked where verdict = 'ok')
  returning last_seq
), marked as (
  update message_groups g set deleted_seq = advanced.last_seq from advanced where g.id = $3::uuid
), deleted_copies as (
  delete from messages using advanced where group_id = $3::uuid
)
select checked.verdict, advanced.last_seq::float8 as seq, (select json_agg(user_id) from member_ids)::text as "memberIds"
from checked left join advanced on true`

const HISTORY = `
select asked.page::int4 as page, h.*
from unnest($1::uuid[], $2::uuid[], $3::bigint[])
  with ordinality as asked (conversation_id, user_id, before, page)
cross join lateral (
  select from members own where own.conversation_id = asked.conversation_id and own.user_id = asked.user_id limit 1
) own
left join lateral (
  select m.id, m.group_id as "groupId", g.sender_id as "senderId", m.content, m.seq::float8 as seq,
    round(date_part('epoch', g.inserted_at) * 1000000) / 1000 as "insertedAt",
    round(date_part('epoch', m.updated_at) * 1000000) / 1000 as "updatedAt"
  from messages m join message_groups g on g.id = m.group_id
  where m.conversation_id = asked.conversation_id and m.recipient_id = asked.user_id and m.seq < asked.before
  order by m.seq desc limit 1000
) h on true`
