import { randomUUID } from 'node:crypto'
import { expect, it, onTestFinished, vi } from 'vitest'
import { MAX_JSON_WEIGHT } from '../../../src/protocol/json-weight.ts'
import { Socket } from '../../../src/realtime/socket/socket.ts'
import { type Person, startApp } from '../../support/app.ts'
import { KEYS, startGroup } from '../../support/conversations.ts'
import { RawClient } from '../../support/raw-client.ts'
import { startRoom } from '../../support/room-clients.ts'
import { rounds } from '../../support/stress.ts'

/** Bytes of a frame, slightly below the limit. */
const FRAME_BYTES = 261_000
/** Bytes of the measured field in a frame. */
const BULK_BYTES = 258_000
const REPETITIONS = rounds(1, 3)
/** How many times the CPU time of a frame with one long string a frame may take. */
const MAX_RATIO = 40
/** How often a frame that seems slower is measured again. */
const MAX_ROUNDS = 10

/** Without a limit, so that a value fills the frame, and the limit up to which a frame is parsed. */
const WEIGHTS = [Number.POSITIVE_INFINITY, MAX_JSON_WEIGHT - 400]

/** Values that are expensive to parse, to validate, to look up, or to describe in an error. */
const BULKS = [
  ...bulks('numbers', '[]', () => '1'),
  ...bulks('fractions', '[]', () => '1.5'),
  ...bulks('empty strings', '[]', () => '""'),
  ...bulks('distinct strings', '[]', (index) => `"${index.toString(36)}"`),
  ...bulks('ids of nobody', '[]', () => `"${randomUUID()}"`),
  ...bulks('empty objects', '[]', () => '{}'),
  ...bulks('objects of all shapes', '[]', (index) => `{"k${index.toString(36)}":0}`),
  ...bulks('an object of many keys', '{}', (index) => `"${index.toString(36)}":0`),
  ...bulks('the same key again and again', '{}', () => '"a":0'),
  ...bulks('numbers by id', '{}', () => `"${randomUUID()}":0`),
  ...bulks('texts by id', '{}', () => `"${randomUUID()}":"x"`),
  ...[BULK_BYTES / 2, 4_000].map((levels) => ['nested lists', nested('[', ']', levels)] as const),
  ...[BULK_BYTES / 6, 2_000].map((levels) => ['nested objects', nested('{"a":', '}', levels)] as const),
  ['a long text', textOf('x')],
  ['a text of two bytes each', textOf('é')],
  ['a text of emoji', textOf('💙')],
  ['escaped halves of pairs', textOf('\\ud83d')],
  ['a text with a NUL at its end', `${textOf('x').slice(0, -8)}\\u0000"`],
  ['blanks', textOf(' ')],
] as const

/** Two values with many items, one for each weight. */
function bulks(name: string, [open, close]: string, make: (index: number) => string) {
  return WEIGHTS.map((maxWeight) => {
    const items: string[] = []
    let [length, weight] = [2, 0]
    for (let index = 0; length < BULK_BYTES && weight < maxWeight; index++) {
      const item = make(index)
      items.push(item)
      length += item.length + 1
      weight += 1 + 4 * item.replace(/[^:[{]/g, '').length
    }
    return [`${items.length} ${name}`, `${open}${items.join(',')}${close}`] as const
  })
}

function nested(open: string, close: string, levels: number): string {
  return `${open.repeat(levels)}0${close.repeat(levels)}`
}

function textOf(part: string): string {
  return `"${part.repeat(BULK_BYTES / Buffer.byteLength(part))}"`
}

it('takes for no frame much more CPU time than for one long string', {
  timeout: 600_000,
}, async () => {
  const app = await startApp()
  const { id, people } = await startGroup(app, ['ann', 'bob'])
  const { roomId, people: members } = await startRoom(app, 'kim')
  const [ann] = people as [Person]
  const [kim] = members
  const topics = { system: 'system:general', conversation: `conversation:${id}`, room: `room:${roomId}` }
  const clients = {
    system: await joined(app.url, ann, topics.system),
    conversation: await joined(app.url, ann, topics.conversation),
    room: await joined(app.url, kim, topics.room),
  }
  const held: number[] = []
  const receiveFrame = Socket.prototype.receiveFrame
  const spy = vi.spyOn(Socket.prototype, 'receiveFrame').mockImplementation(function (
    this: Socket,
    ...frame
  ) {
    const start = process.cpuUsage()
    receiveFrame.apply(this, frame)
    const { user, system } = process.cpuUsage(start)
    held.push(user + system)
  })
  onTestFinished(() => spy.mockRestore())

  /** The minimum CPU time that a frame takes, which other processes do not add to as they add to the time that passes. */
  async function cost(topic: keyof typeof clients, event: string, start: string) {
    const times: number[] = []
    for (let i = 0; i < REPETITIONS; i++) {
      const ref = `r${i}`
      const value = `["1","${ref}","${topics[topic]}","${event}",${start},"_":"`
      held.length = 0
      clients[topic].sendRaw(`${value}${'x'.repeat(FRAME_BYTES - Buffer.byteLength(value))}"}]`)
      await clients[topic].take(
        (frame) => Array.isArray(frame) && frame[1] === ref && frame[3] === 'phx_reply',
      )
      times.push(held[0] as number)
    }
    return Math.min(...times)
  }

  const measurePlain = () => cost('conversation', 'no such event', `{"x":${textOf('x')}`)
  let plain = await measurePlain()
  for (let round = 0; round < MAX_ROUNDS; round++) plain = Math.min(plain, await measurePlain())
  const costs: { frame: string; ratio: number; again: () => Promise<number> }[] = []
  for (const [topic, event, valid, fields] of EVENTS) {
    const { token } = topic === 'room' ? kim : ann
    for (const field of fields) {
      const start = JSON.stringify({ token, ...valid, [field]: undefined }).slice(0, -1)
      for (const [name, json] of BULKS) {
        const ratio = async () => (await cost(topic, event, `${start},"${field}":${json}`)) / plain
        costs.push({ frame: `${event} ${field}: ${name}`, ratio: await ratio(), again: ratio })
      }
    }
  }
  // Collecting garbage adds to a measurement: a slow frame is measured again until it is fast, or `MAX_ROUNDS` times.
  for (let round = 0; round < MAX_ROUNDS; round++) {
    for (const slow of costs.filter(({ ratio }) => ratio > MAX_RATIO)) {
      slow.ratio = Math.min(slow.ratio, await slow.again())
    }
  }
  costs.sort((a, b) => b.ratio - a.ratio)
  if (process.env.SHOW_COSTS) console.log(plain, JSON.stringify(costs.slice(0, 60), null, 1))
  const slow = costs.filter(({ ratio }) => ratio > MAX_RATIO)
  expect(slow.map(({ frame, ratio }) => ({ frame, ratio }))).toEqual([])
})

/** Every event with a valid payload, and the fields to replace with each bulk value. */
const EVENTS: [topic: 'system' | 'conversation' | 'room', event: string, valid: object, fields: string[]][] =
  [
    ['system', 'phx_leave', {}, ['x']],
    ['system', 'set_hidden', { hidden: true }, ['hidden', 'token']],
    ['system', 'set_display_name', { display_name: 'Ann' }, ['display_name']],
    ['system', 'start_group_conversation', { user_ids: [], ...KEYS }, ['user_ids', 'alias', 'public_key']],
    [
      'system',
      'start_private_conversation',
      { other_user_id: 'x', ...KEYS },
      ['other_user_id', 'private_key'],
    ],
    ['conversation', 'change_alias', { alias: 'x' }, ['alias']],
    ['conversation', 'send_message', { encrypted_messages: {} }, ['encrypted_messages', 'client_message_id']],
    [
      'conversation',
      'edit_message',
      { message_group_id: 'x', encrypted_messages: {} },
      ['message_group_id', 'encrypted_messages'],
    ],
    ['conversation', 'delete_message', { message_group_id: 'x' }, ['message_group_id']],
    ['conversation', 'start_typing', {}, ['x']],
    ['conversation', 'read_conversation', {}, ['seq']],
    ['conversation', 'modify_conversation', { new_members: [] }, ['new_members', 'alias']],
    ['conversation', 'set_encryption_keys', KEYS, ['public_key', 'private_key']],
    ['room', 'message', { message: 'x' }, ['message', 'client_message_id']],
    ['room', 'reply', { message: 'x', previous_message_id: 'x' }, ['message', 'previous_message_id']],
    ['room', 'typing', { message: 'x' }, ['message']],
  ]

async function joined(url: string, { token }: Person, topic: string): Promise<RawClient> {
  const client = await RawClient.connect(
    `${url.replace('http', 'ws')}/socket/websocket?token=${token}&vsn=2.0.0`,
  )
  onTestFinished(() => client.terminate())
  await client.call(['1', '1', topic, 'phx_join', { token }])
  return client
}
