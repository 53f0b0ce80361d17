import type { Channel } from 'phoenix'
import type { Person, TestApp } from './app.ts'
import { settle } from './phoenix.ts'

/** Keys in the format of a client. The server does not check their contents. */
export const KEYS = {
  public_key: { kty: 'RSA', alg: 'RSA-OAEP-256', e: 'AQAB', n: 'abc', ext: true, key_ops: ['encrypt'] },
  private_key: {
    kty: 'RSA',
    alg: 'RSA-OAEP-256',
    e: 'AQAB',
    n: 'abc',
    d: 'secret',
    ext: true,
    key_ops: ['decrypt'],
  },
}

/** Pushes an event with the user's token. */
export function push(person: Person, channel: Channel, event: string, payload: object = {}) {
  return settle(channel.push(event, { token: person.token, ...payload }))
}

/** The payload of a message with one copy of the text for each recipient. */
export function copiesFor(people: { id: string }[], text: string) {
  return { encrypted_messages: Object.fromEntries(people.map(({ id }) => [id, text])) }
}

/** Signs up users and starts a group. All of them join the conversation and their `user:<id>`. */
export async function startGroup(app: TestApp, names: string[], alias?: string) {
  const people = await Promise.all(names.map((name) => app.signUp(name)))
  const [creator] = people as [Person, ...Person[]]
  const system = await creator.join('system:general')
  const { response: id } = await push(creator, system, 'start_group_conversation', {
    user_ids: people.map((person) => person.id),
    ...KEYS,
    ...(alias === undefined ? {} : { alias }),
  })
  return { id: id as string, people, ...(await joinAll(people, id)) }
}

/** Signs up two users and starts a private conversation. Both join it and their `user:<id>`. */
export async function startPrivate(app: TestApp, names: [string, string]) {
  const people = (await Promise.all(names.map((name) => app.signUp(name)))) as [Person, Person]
  const system = await people[0].join('system:general')
  const { response: id } = await push(people[0], system, 'start_private_conversation', {
    other_user_id: people[1].id,
    ...KEYS,
  })
  return { id: id as string, people, ...(await joinAll(people, id)) }
}

async function joinAll(people: Person[], id: string) {
  const channels = await Promise.all(people.map((person) => person.join(`conversation:${id}`)))
  const userChannels = await Promise.all(people.map((person) => person.join(`user:${person.id}`)))
  return { channels, userChannels }
}
