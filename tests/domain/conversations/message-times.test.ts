import { expect, it } from 'vitest'
import { contentsFor, type GroupOfTwo, openChat, setUpGroupOfTwo } from '../../support/chat-services.ts'

let given: GroupOfTwo

setUpGroupOfTwo((fresh) => {
  given = fresh
})

/** The stored sending times of the group's messages in `seq` order, in microseconds since the epoch. */
async function storedTimes(): Promise<number[]> {
  const rows = await given.db.rows<{ at: number }>(
    `select (extract(epoch from inserted_at) * 1000000)::float8 as at from message_groups
    where conversation_id = $1 order by seq`,
    [given.group],
  )
  return rows.map(({ at }) => at)
}

function send(content: string, chat = given.chat) {
  const { ann, bob, group } = given
  return chat.messages.send(group, ann, contentsFor([ann, bob], content))
}

function expectStrictlyIncreasing(times: readonly number[]): void {
  for (const [index, time] of times.entries()) {
    if (index > 0) expect(time).toBeGreaterThan(times[index - 1] as number)
  }
}

it('stores strictly increasing times for 200 pipelined messages', async () => {
  await Promise.all(Array.from({ length: 200 }, (_, index) => send(`message ${index}`)))
  const times = await storedTimes()
  expect(times).toHaveLength(200)
  expectStrictlyIncreasing(times)
})

it('stores strictly increasing times across nodes', async () => {
  const other = await openChat(given.db)
  const sends = Array.from({ length: 60 }, (_, index) => send('x', index % 2 ? given.chat : other))
  await Promise.all(sends)
  expectStrictlyIncreasing(await storedTimes())
})

it('continues after the latest message when the clock of the database is set back', async () => {
  const future = new Date(Date.now() + 3_600_000)
  await given.db.rows('update conversations set last_message_at = $1 where id = $2', [
    future.toISOString(),
    given.group,
  ])
  await Promise.all([send('one'), send('two')])
  const latest = future.getTime() * 1_000
  expect(await storedTimes()).toEqual([latest + 1, latest + 2])
})

it('follows the clock of the database, however many messages a batch has', async () => {
  const before = Date.now()
  await Promise.all(Array.from({ length: 100 }, () => send('x')))
  const last = (await storedTimes()).at(-1) as number
  expect(last / 1_000).toBeGreaterThan(before - 1_000)
  expect(last / 1_000).toBeLessThan(Date.now() + 1_000)
})

it('reports the same time in the reply, the event, the history and the missed changes', async () => {
  const sent = await Promise.all([send('one'), send('two')])
  const { ann, chat, group } = given
  const times = sent.map(({ insertedAt }) => insertedAt)
  expectStrictlyIncreasing(times)
  const events = chat.emitted.filter((event) => event.name === 'message_sent')
  expect(events.map(({ insertedAt }) => insertedAt)).toEqual(times)
  const { items } = await chat.messages.history(ann, { conversationId: group })
  expect(items.map(({ insertedAt, updatedAt }) => [insertedAt, updatedAt])).toEqual(
    times.toReversed().map((time) => [time, time]),
  )
  const missed = await chat.messages.missed(ann, group, 0)
  expect(missed?.changes.map((change) => 'message' in change && change.message.insertedAt)).toEqual(times)
})

it('reports the first time for a message that is sent again', async () => {
  const { ann, bob, chat, group } = given
  const again = () =>
    chat.messages.send(group, ann, contentsFor([ann, bob], 'x'), { clientMessageId: crypto.randomUUID() })
  const name = crypto.randomUUID()
  const named = () => chat.messages.send(group, ann, contentsFor([ann, bob], 'x'), { clientMessageId: name })
  const [, first] = await Promise.all([again(), named(), again()])
  expect(await named()).toEqual(first)
})
