import type { Channel, Socket } from 'phoenix'
import { onTestFinished } from 'vitest'
import { type Json, openSocket, type Settled, settle } from '../../support/phoenix.ts'
import { KEYS } from '../../support/talks.ts'
import type { Node } from './node.ts'

const PASSWORD = 'four brave otters sing'
let people = 0

/** Someone with an account and a session, who comes in by any node. */
export interface Person {
  id: string
  email: string
  token: string
  refreshToken: string
  /** A new connection to a node, with an official client; closed when the test has finished. */
  at(node: Node): Connection
}

/** Makes an account that no other test has. */
export async function signUp(node: Node, name: string): Promise<Person> {
  const email = `${name}.${++people}@example.com`
  const { body } = await request(node, 'POST', '/auth/register', { body: { email, password: PASSWORD } })
  const { id } = body.user
  const token: string = body.auth_token
  return { id, email, token, refreshToken: body.refresh_token, at: (to) => new Connection(to, { id, token }) }
}

/** Calls one node over HTTP. */
export async function request(
  { url }: Node,
  method: string,
  path: string,
  { token, body }: { token?: string; body?: unknown } = {},
): Promise<{ status: number; body: Json }> {
  const response = await fetch(url + path, {
    method,
    headers: {
      accept: 'application/json',
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  return { status: response.status, body: text?.startsWith('{') ? JSON.parse(text) : text }
}

/** One connection of a person to a node. It stays away when it is closed. */
export class Connection {
  readonly socket: Socket
  /** Resolves with the code it was closed with. */
  readonly closed: Promise<number>
  readonly #person: { id: string; token: string }
  readonly #channels = new Map<string, Channel>()

  constructor(node: Node, person: { id: string; token: string }) {
    this.#person = person
    this.socket = openSocket(`${node.url.replace('http', 'ws')}/socket`, {
      token: person.token,
      reconnectAfterMs: () => 3_600_000,
    })
    this.closed = new Promise((resolve) => this.socket.onClose(({ code }) => resolve(code)))
    onTestFinished(() => this.socket.disconnect())
  }

  /** A channel that is yet to be joined. */
  channel(topic: string, payload: object = {}): Channel {
    const channel = this.socket.channel(topic, { token: this.#person.token, ...payload })
    this.#channels.set(topic, channel)
    return channel
  }

  /** Joins a topic. @throws when that is refused. */
  async join(topic: string, payload: object = {}): Promise<Channel> {
    const channel = this.channel(topic, payload)
    const { status, response } = await settle(channel.join())
    if (status !== 'ok') throw new Error(`${topic} could not be joined: ${JSON.stringify(response)}`)
    return channel
  }

  /** Joins the topic of what is meant for this person alone. */
  joinOwn(): Promise<Channel> {
    return this.join(`user:${this.#person.id}`)
  }

  /** Sends an event to a topic that was joined. */
  push(topic: string, event: string, payload: object = {}): Promise<Settled> {
    const channel = this.#channels.get(topic)
    if (!channel) throw new Error(`${topic} was not joined.`)
    return settle(channel.push(event, { token: this.#person.token, ...payload }))
  }

  /** All events of some kinds that a channel hears from now on, as they come. */
  hear(topic: string, ...events: string[]): Json[] {
    const heard: Json[] = []
    for (const event of events) this.#channels.get(topic)?.on(event, (payload) => void heard.push(payload))
    return heard
  }
}

/** A message encrypted for these people, as far as the server can tell. */
export function copies(to: readonly Person[], text: string): { encrypted_messages: Record<string, string> } {
  return { encrypted_messages: Object.fromEntries(to.map(({ id }) => [id, text])) }
}

/** A group of these, started by the first over a node. @returns its id. */
export async function startGroup(node: Node, members: readonly Person[]): Promise<string> {
  const [creator] = members as [Person]
  const connection = creator.at(node)
  await connection.join('system:general')
  const { response } = await connection.push('system:general', 'start_group_conversation', {
    user_ids: members.map(({ id }) => id),
    ...KEYS,
  })
  connection.socket.disconnect()
  return response
}
