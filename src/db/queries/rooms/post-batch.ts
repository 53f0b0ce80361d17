import type { Database } from '../../database.ts'
import { textArray, uuidArray } from '../array-literal.ts'
import { findRoomMessages, type RoomMessage } from './room-messages.ts'
import { lockRooms } from './rooms.ts'

/** A text to be stored. Its id is generated beforehand, so that it can be found if the commit outcome is unknown. */
export interface TextDraft {
  id: string
  roomId: string
  senderId: string
  text: string
  /** The message that it replies to. */
  previousId: string | null
  /** A UUID of the sender, as an idempotency key. */
  clientMessageId: string | null
  insertedAt: Date
}

/**
 * What became of a text. `repeated`: its client message id was used before, for this message. `stale`: retry it, because the message
 * that it repeats is in the same batch.
 */
export type PostOutcome =
  | { verdict: 'ok' | 'repeated'; message: RoomMessage }
  | { verdict: 'stale' | 'no_room' | 'not_member' | 'no_message' }

/**
 * Stores the valid texts of a batch in one statement, which is one transaction, in the given order.
 * @returns the outcome of each, in the same order.
 * @throws a unique violation of `ROOM_CLIENT_MESSAGE_INDEX` if another process stores one of them at the same time.
 */
export async function postBatch(db: Database, drafts: readonly TextDraft[]): Promise<PostOutcome[]> {
  const isKeyed = drafts.some(({ clientMessageId }) => clientMessageId !== null)
  const hasReplies = drafts.some(({ previousId }) => previousId !== null)
  const params = [
    textArray([...new Set(drafts.map(({ roomId }) => roomId))]),
    textArray(drafts.map(({ id }) => id)),
    textArray(drafts.map(({ roomId }) => roomId)),
    uuidArray(drafts.map(({ senderId }) => senderId)),
    textArray(drafts.map(({ text }) => text)),
    `{${drafts.map(({ insertedAt }) => insertedAt.getTime()).join(',')}}`,
    ...(hasReplies ? [`{${drafts.map(({ previousId }) => previousId ?? 'null').join(',')}}`] : []),
    ...(isKeyed ? [uuidArray(drafts.map(({ clientMessageId }) => clientMessageId ?? 'null'))] : []),
  ]
  const rows = await db.rows<Row>(statementFor({ isKeyed, hasReplies }), params)
  const earlierIds = rows.flatMap(({ earlierId }) => earlierId ?? [])
  const earlier = new Map<string, RoomMessage>()
  for (const message of await findRoomMessages(db.orm, earlierIds)) earlier.set(message.id, message)
  return rows.map((row, index) => outcomeOf(row, drafts[index] as TextDraft, earlier))
}

/** The index that rejects a repeated text whose first message the statement does not see yet. */
export const ROOM_CLIENT_MESSAGE_INDEX = 'room_messages_client_message'

/**
 * Finds which texts an earlier statement has stored whose commit outcome is unknown. It locks the rooms first, to wait for a backend
 * that is still running that statement; only a later statement sees what it commits.
 * @returns as `postBatch`; a text that is not stored is `stale`.
 */
export function findPosted(db: Database, drafts: readonly TextDraft[]): Promise<PostOutcome[]> {
  return db.transaction(async (tx) => {
    await lockRooms(tx, [...new Set(drafts.map(({ roomId }) => roomId))])
    const messages = await findRoomMessages(
      tx,
      drafts.map(({ id }) => id),
    )
    const found = new Map(messages.map((message) => [message.id, message]))
    return drafts.map(({ id }) => {
      const message = found.get(id)
      return message ? { verdict: 'ok', message } : { verdict: 'stale' }
    })
  })
}

interface Row {
  verdict: PostOutcome['verdict']
  seq: number
  shortId: string
  username: string
  /** The message that a `repeated` text repeats. */
  earlierId?: string | null
  /** The message that it replies to. */
  previousText?: string | null
  previousFormat?: NonNullable<RoomMessage['previous']>['format']
  previousUsername?: string
}

function outcomeOf(row: Row, draft: TextDraft, earlier: ReadonlyMap<string, RoomMessage>): PostOutcome {
  const { verdict } = row
  if (verdict === 'ok') return { verdict, message: messageOf(row, draft) }
  if (verdict !== 'repeated') return { verdict }
  return { verdict, message: earlier.get(row.earlierId ?? '') as RoomMessage }
}

function messageOf(row: Row, { id, roomId, text, previousId, insertedAt }: TextDraft): RoomMessage {
  const { seq, shortId, username, previousText = null, previousFormat = null, previousUsername = '' } = row
  const previous = previousId
    ? { id: previousId, text: previousText, format: previousFormat, username: previousUsername }
    : null
  return { id, roomId, seq, text, media: null, sender: { shortId, username }, previous, insertedAt }
}

interface Variant {
  isKeyed: boolean
  hasReplies: boolean
}

const statements = new Map<string, string>()

function statementFor(variant: Variant): string {
  const key = `${variant.isKeyed} ${variant.hasReplies}`
  const known = statements.get(key) ?? postBatchStatement(variant)
  statements.set(key, known)
  return known
}

/**
 * `locked` waits for the row locks of the rooms, in the order of their ids, so that two nodes cannot deadlock; everything else is
 * read in the snapshot of the statement, which may be outdated by then. The row of a member is therefore locked after the row of
 * the room: a row that was deleted meanwhile is not returned. The locked `last_seq` is the newest, so that the inserted rows need not
 * be joined with the updated rooms, which the planner would do in a nested loop. The joins that look up rows by id are lateral with a limit, because
 * the planner may scan the whole table for a plain join.
 * @param variant includes SQL for texts with a client message id, and for replies; batches without any do not pay for it.
 */
function postBatchStatement({ isKeyed, hasReplies }: Variant): string {
  const keyed = (sql: string) => (isKeyed ? sql : '')
  const replies = (sql: string) => (hasReplies ? sql : '')
  const previousIds = '$7::text[]'
  const clientMessageIds = `$${hasReplies ? 8 : 7}::uuid[]`
  return `
with locked as materialized (
  select id, last_seq from rooms where id = any($1::text[]) order by id for update
), drafts as materialized (
  select * from unnest($2::text[], $3::text[], $4::uuid[], $5::text[], $6::float8[]
    ${replies(`, ${previousIds}`)}${keyed(`, ${clientMessageIds}`)})
    with ordinality as t (id, room_id, sender_id, content, inserted_ms
    ${replies(', previous_id')}${keyed(', client_message_id')}, n)
), senders as materialized (
  select d.room_id, d.sender_id, u.short_id, u.username
  from (select distinct room_id, sender_id from drafts) d
  join locked on locked.id = d.room_id
  cross join lateral (
    select m.user_id from room_members m where m.room_id = locked.id and m.user_id = d.sender_id limit 1 for key share
  ) m
  cross join lateral (select short_id, username from users where id = m.user_id limit 1) u
), ${keyed(`repeats as materialized (
  select d.id as draft_id, earlier.id
  from drafts d cross join lateral (
    select g.id from room_messages g
    where g.room_id = d.room_id and g.sender_id = d.sender_id and g.client_message_id = d.client_message_id
    limit 1
  ) earlier
), `)}checked as materialized (
  select d.*, locked.last_seq, s.short_id, s.username
    ${replies(', p.text_content as previous_text, p.format as previous_format, p.username as previous_username')},
    case ${keyed("when d.id in (select draft_id from repeats) then 'repeated'")}
    when locked.id is null then 'no_room'
    when s.sender_id is null then 'not_member'
    ${replies("when d.previous_id is not null and p.username is null then 'no_message'")}
    else 'ok' end as verdict
  from drafts d
  left join locked on locked.id = d.room_id
  left join senders s on s.room_id = d.room_id and s.sender_id = d.sender_id
  ${replies(`left join lateral (
    select p.text_content, media.format, users.username
    from room_messages p left join media on media.id = p.media_id join users on users.id = p.sender_id
    where p.id = d.previous_id and p.room_id = d.room_id limit 1
  ) p on true`)}
), accepted as materialized (
  select *, row_number() over (partition by room_id order by n) as position
  from ${keyed(`(
    select *, row_number() over (partition by room_id, sender_id, coalesce(client_message_id::text, id) order by n) as nth
    from checked where verdict = 'ok'
  )`)} checked where verdict = 'ok'${keyed(' and nth = 1')}
), advanced as (
  update rooms r set last_seq = r.last_seq + a.posts
  from (select room_id, count(*) as posts from accepted group by room_id) a
  where r.id = a.room_id
), stored as (
  insert into room_messages (id, room_id, sender_id, seq, text_content, inserted_at
    ${replies(', previous_message_id')}${keyed(', client_message_id')})
  select id, room_id, sender_id, last_seq + position, content, to_timestamp(inserted_ms / 1000)
    ${replies(', previous_id')}${keyed(', client_message_id')}
  from accepted
  returning id, seq
)
select ${keyed("case when c.verdict = 'ok' and s.id is null then 'stale' else c.verdict end as")} verdict,
  s.seq::float8 as seq, c.short_id as "shortId", c.username
  ${replies(', c.previous_text as "previousText", c.previous_format as "previousFormat", c.previous_username as "previousUsername"')}
  ${keyed(', r.id as "earlierId"')}
from checked c left join stored s on s.id = c.id ${keyed('left join repeats r on r.draft_id = c.id')}
order by c.n`
}
