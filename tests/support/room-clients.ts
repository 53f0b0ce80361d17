import { expect, onTestFinished } from 'vitest'
import type { Person, TestApp } from './app.ts'
import type { Json } from './phoenix.ts'
import { RawClient } from './raw-client.ts'
import { findPerson, type RoomPerson } from './rooms.ts'

/** A user with a session, and the ids and name that rooms show. */
export type Member = Person & RoomPerson

/** Signs up a user who can be added to rooms. */
export async function signUpMember(app: TestApp, name: string): Promise<Member> {
  const person = await app.signUp(name)
  return Object.assign(person, await findPerson(app.database, person.id))
}

/** Signs up users and creates a room of them. The first is its creator. */
export async function startRoom<Names extends string[]>(app: TestApp, ...names: Names) {
  const people = await Promise.all(names.map((name) => signUpMember(app, name)))
  const [creator, ...others] = people as [Member, ...Member[]]
  const userIds = others.map(({ id }) => id)
  const { id } = await app.services.rooms.create(creator.id, { name: `Room of ${names}`, userIds })
  return { roomId: id, people: people as { [Name in keyof Names]: Member } }
}

/** The URL of the socket of a room. */
export function roomUrl({ url }: { url: string }, roomId: string): string {
  return `${url.replace('http', 'ws')}/ws/chat/${roomId}/`
}

/** Connects to a room with an access token. The connection is closed when the test has finished. */
export async function connectToRoom(
  app: TestApp,
  { token }: Person,
  roomId: string,
  options: { autoPong?: boolean } = {},
): Promise<RawClient> {
  return connectClient(roomUrl(app, roomId), { ...options, headers: { authorization: `Bearer ${token}` } })
}

/** Connects to a URL. The connection is closed when the test has finished. @throws an Error with `status` if the handshake is rejected. */
export async function connectClient(
  url: string,
  options?: Parameters<typeof RawClient.connect>[1],
): Promise<RawClient> {
  const client = await RawClient.connect(url, options)
  onTestFinished(() => client.terminate())
  return client
}

/** The next event of a type, received so far or later. */
export function nextEvent(client: RawClient, type: string): Promise<Json> {
  return client.take((frame) => (frame as Json).type === type)
}

/** Sends a marker message, and returns the events received before it. */
export async function eventsBeforeMarker(client: RawClient): Promise<Json[]> {
  const mark = `mark ${Math.random()}`
  client.send({ message_type: 'message', message: mark })
  await client.take((frame) => (frame as Json).text_content === mark)
  return client.frames.splice(0)
}

/** The frame of a file: JSON metadata, `<delimiter>`, bytes. */
export function fileFrame(metadata: unknown, bytes: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from(`${JSON.stringify(metadata)}<delimiter>`), bytes])
}

/** The HTTP status of a handshake. 101 if the connection was accepted. */
export async function handshakeStatus(connecting: Promise<unknown>): Promise<number> {
  return connecting.then(
    () => 101,
    (error) => error.status,
  )
}

/** The expected event of a message, sent at the time at which the clock of the tests stands. `content` are the fields of its kind. */
export function messageEvent(type: string, { username }: Member, content: Json): Json {
  const id = expect.stringMatching(/^[\w-]{21}$/)
  return { type, id, created: 'Jan. 15, 2026', time: '12:00 PM', username, ...content }
}

/** The expected fields of a reply to a message. */
export function replyFields(previous: { id: string; sender: Member; content: string; type: string }): Json {
  return {
    is_reply: true,
    previous_message_id: previous.id,
    previous_message_content: previous.content,
    previous_message_type: previous.type,
    previous_sender_username: previous.sender.username,
  }
}
