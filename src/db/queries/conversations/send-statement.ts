import { storedCopies } from './copies.ts'

/** What the messages of a batch have. */
export interface BatchParts {
  isKeyed: boolean
  hasShared: boolean
  hasAttachments: boolean
}

const statements = new Map<string, string>()

/**
 * The statement that stores a batch. Batches without a client message id, a shared ciphertext or attachments do not pay for these: the
 * statement does not mention them.
 */
export function sendStatement(parts: BatchParts): string {
  const key = JSON.stringify(parts)
  const known = statements.get(key) ?? buildStatement(parts)
  statements.set(key, known)
  return known
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

/**
 * `locked` waits for the row locks and reads the newest conversations; everything else is read in the snapshot of the statement. The
 * members may therefore be outdated: if `members_version` differs between the two, the draft is `stale`. Rows are locked in the order of
 * their ids, so that two nodes cannot deadlock. `repeats` is a lateral join with a limit, because the planner may scan the whole table for
 * a plain join. Each message is stored one microsecond or more after its predecessor.
 */
function buildStatement({ isKeyed, hasShared, hasAttachments }: BatchParts): string {
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
  from wanted w join accepted using (group_id)
  where attachments.id = w.id and attachments.conversation_id = accepted.conversation_id
)`)}${keyed(`, results as (
  select id as draft_id, id, seq, inserted_at from groups union all select * from repeats
)`)}
select ${mayDiffer("case when j.verdict = 'ok' and g.id is null then 'stale' else j.verdict end as")} verdict, g.seq::float8 as "seq", (extract(epoch from g.inserted_at) * 1000)::float8 as "insertedAt"
  ${keyed(', g.id as "groupId"')}
from checked j left join ${keyed('results') || 'groups'} g on g.${keyed('draft_') || ''}id = j.group_id
order by j.n`
}
