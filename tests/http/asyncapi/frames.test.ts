import { expect, it, vi } from 'vitest'
import { storeKeys } from '../../support/account-keys.ts'
import { type Person, startApp, type TestApp } from '../../support/app.ts'
import { documentOf } from '../../support/asyncapi.ts'
import { copiesFor, KEYS, push, startGroup } from '../../support/conversations.ts'
import { eventually } from '../../support/eventually.ts'
import { png } from '../../support/media.ts'
import { settle } from '../../support/phoenix.ts'
import type { RawClient } from '../../support/raw-client.ts'
import { connectToRoom, fileFrame, nextEvent, signUpMember, startRoom } from '../../support/room-clients.ts'

it.each(['documented', 'legacy'] as const)(
  'the server sends exactly the documented events and replies (%s)',
  async (contract) => {
    // The rate limits reject heartbeats, at last.
    const app = await startApp({ CONTRACT: contract, RATE_LIMITS: 'on' })
    await talkInConversation(app)
    await talkInRoom(app)
    await rejectEverything(app)
    await crash(app)
    const sent = Object.entries(documentOf(contract).channels).flatMap(([channel, { messages }]) =>
      Object.keys(messages)
        .filter((name) => /^event\.|\.(ok|error)$/.test(name))
        .map((name) => `${channel}.${name}`),
    )
    await eventually(() => expect([...app.frames.seen].sort()).toEqual(sent.sort()))
    expect(app.frames.problems).toEqual([])
  },
)

/** Uses every event of `system:general`, `user:<id>` and `conversation:<id>`. */
async function talkInConversation(app: TestApp): Promise<void> {
  const { id, people, channels } = await startGroup(app, ['ann', 'bob'], 'Weekend')
  const [ann, bob] = people as [Person, Person]
  const [annChannel, bobChannel] = channels as [Channel, Channel]
  const system = await ann.join('system:general')
  app.clock.advance(1_000)
  await push(ann, system, 'start_private_conversation', { other_user_id: bob.id, ...KEYS })
  await push(ann, system, 'set_display_name', { display_name: 'Ann Example' })
  await push(ann, system, 'set_hidden', { hidden: true })
  await push(bob, bobChannel, 'set_encryption_keys', KEYS)
  const client_message_id = '4f8b1c2d-3e4f-4a5b-8c6d-7e8f90a1b2c3'
  await push(ann, annChannel, 'send_message', copiesFor(people, 'one'))
  const { response } = await push(ann, annChannel, 'send_message', {
    ...copiesFor(people, 'two'),
    shared: 'a shared ciphertext',
    client_message_id,
  })
  const message_group_id = response.message_group
  await push(ann, annChannel, 'edit_message', { message_group_id, ...copiesFor(people, 'three') })
  await push(ann, annChannel, 'delete_message', { message_group_id, return_seq: true })
  await push(bob, bobChannel, 'start_typing')
  await push(bob, bobChannel, 'finish_typing')
  await push(bob, bobChannel, 'read_conversation')
  await push(ann, annChannel, 'change_alias', { alias: 'Holiday' })
  await rejoin(bob, `conversation:${id}`)
  for (const after_seq of [1, 99]) await rejoin(bob, `conversation:${id}`, { after_seq })
  await storeKeys(app, bob)
  const eve = await app.signUp('eve')
  await push(ann, annChannel, 'modify_conversation', { new_members: [eve.id] })
  await push(bob, bobChannel, 'leave_conversation')
  await settle(ann.connect().channel(`conversation:${id}`, { token: ann.token }).join())
  for (const topic of ['system:general', `user:${ann.id}`, `conversation:${id}`]) await rejoin(ann, topic)
}

type Channel = Awaited<ReturnType<Person['join']>>

/** Joins a topic on a socket of its own, and leaves it. */
async function rejoin(person: Person, topic: string, payload: object = {}): Promise<void> {
  const channel = person.connect().channel(topic, { token: person.token, ...payload })
  await settle(channel.join())
  await settle(channel.leave())
}

/** Uses every event of a room, over both kinds of socket. */
async function talkInRoom(app: TestApp): Promise<void> {
  const { roomId, people } = await startRoom(app, 'fay', 'gil')
  const [fay] = people
  const socket = await connectToRoom(app, fay, roomId)
  const channel = await fay.join(`room:${roomId}`)
  await push(fay, channel, 'typing', { message: 'typing' })
  await push(fay, channel, 'typing', { message: '' })
  await push(fay, channel, 'message', { message: 'Hello!' })
  const { id: previous_message_id } = await take(app, socket, 'chat.message')
  await push(fay, channel, 'reply', { message: 'Hello back!', previous_message_id })
  await pushFile(channel, 'media', { media_format: 'image' })
  await pushFile(channel, 'reply', { media_format: 'image', previous_message_id })
  const dan = await signUpMember(app, 'dan')
  await app.services.rooms.addMembers(roomId, fay.id, [dan.id])
  socket.send({ message_type: 'message' })
  for (const type of ROOM_EVENTS) await take(app, socket, type)
  await rejoin(fay, `room:${roomId}`)
}

const ROOM_EVENTS = ['active', 'typing', 'reply', 'media', 'notification', 'error'].map(
  (name) => `chat.${name}`,
)

async function take(app: TestApp, socket: RawClient, type: string) {
  const event = await nextEvent(socket, type)
  app.frames.receive(event)
  return event
}

function pushFile(channel: Channel, event: string, metadata: object) {
  const { buffer, byteOffset, byteLength } = fileFrame(metadata, png())
  // The types of the client know no binary payloads.
  return settle(channel.push(event, buffer.slice(byteOffset, byteOffset + byteLength) as unknown as object))
}

/** Provokes an error reply to every join and push. */
async function rejectEverything(app: TestApp): Promise<void> {
  const { id, people } = await startGroup(app, ['hal', 'ida'])
  const { roomId, people: members } = await startRoom(app, 'jon')
  const token = 'wrong'
  for (const [person, topic] of [
    [people[0]!, 'system:general'],
    [people[0]!, `user:${people[0]!.id}`],
    [people[0]!, `conversation:${id}`],
    [members[0], `room:${roomId}`],
  ] as const) {
    await settle(person.connect().channel(topic, { token }).join())
    const channel = await person.join(topic)
    for (const event of pushesTo(topic)) await settle(channel.push(event, { token }))
    if (topic.startsWith('room:')) {
      await pushFile(channel, 'media', { media_format: 'image', client_message_id: 'no UUID' })
      await pushFile(channel, 'reply', { media_format: 'image', previous_message_id: 'unknown' })
    }
  }
}

function pushesTo(topic: string): string[] {
  const [key = ''] = topic.split(':')
  const names = Object.keys(documentOf('documented').channels[key]!.messages)
  return names
    .flatMap((name) => /^push\.(?!phx_)(\w+)$/.exec(name)?.[1] ?? [])
    .filter((name) => !name.endsWith('_file'))
}

/** Lets an event of each topic crash, and exceeds the limit of heartbeats. */
async function crash(app: TestApp): Promise<void> {
  const { people, channels } = await startGroup(app, ['kim', 'leo'])
  const kim = people[0]!
  const { roomId, people: members } = await startRoom(app, 'may')
  const { accounts, conversations, rooms } = app.services
  const bug = new Error('a bug')
  vi.spyOn(accounts, 'setHidden').mockRejectedValue(bug)
  vi.spyOn(conversations, 'rename').mockRejectedValue(bug)
  vi.spyOn(rooms, 'post').mockRejectedValue(bug)
  const system = await kim.join('system:general')
  system.push('set_hidden', { token: kim.token, hidden: true })
  channels[0]!.push('change_alias', { token: kim.token, alias: null })
  const room = await members[0].join(`room:${roomId}`)
  room.push('message', { message: 'Hello!' })
  const socket = kim.connect()
  socket.onOpen(() => {
    for (let count = 0; count <= 300; count++) {
      socket.push({ topic: 'phoenix', event: 'heartbeat', payload: {}, ref: socket.makeRef() })
    }
  })
}
