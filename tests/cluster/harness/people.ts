import type { Channel, Socket } from 'phoenix'
import { onTestFinished } from 'vitest'
import { KEYS } from '../../support/conversations.ts'
import { type Json, openSocket, type Settled, settle } from '../../support/phoenix.ts'
import type { Node } from './node.ts'

const PASSWORD = 'four brave otters sing'
let people = 0

/** A user with a session, who connects to any node. */
export interface Person {
  id: string
  email: string
  token: string
  refreshToken: string
  /** Opens a connection to a node with phoenix.js. It is closed when the test has finished. */
  at(node: Node): Connection
}

/** Creates an account that no other test uses. */
export async function signUp(node: Node, name: string): Promise<Person> {
  const email = `${name}.${++people}@example.com`
  const { body } = await request(node, 'POST', '/auth/register', { body: { email, password: PASSWORD } })
  const { id } = body.user
  const token: string = body.auth_token
  return { id, email, token, refreshToken: body.refresh_token, at: (to) => new Connection(to, { id, token }) }
}

/** Sends an HTTP request to a node. */
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

/** A connection of a person to a node. It does not reconnect. */
export class Connection {
  readonly socket: Socket
  /** Resolves with the close code. */
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

  /** Creates a channel without joining it. */
  channel(topic: string, payload: object = {}): Channel {
    const channel = this.socket.channel(topic, { token: this.#person.token, ...payload })
    this.#channels.set(topic, channel)
    return channel
  }

  /** Joins a topic. @throws if the join is rejected. */
  async join(topic: string, payload: object = {}): Promise<Channel> {
    const channel = this.channel(topic, payload)
    const { status, response } = await settle(channel.join())
    if (status !== 'ok') throw new Error(`${topic} could not be joined: ${JSON.stringify(response)}`)
    return channel
  }

  /** Joins `user:<id>`. */
  joinOwn(): Promise<Channel> {
    return this.join(`user:${this.#person.id}`)
  }

  /** Pushes an event to a joined topic. */
  push(topic: string, event: string, payload: object = {}): Promise<Settled> {
    const channel = this.#channels.get(topic)
    if (!channel) throw new Error(`${topic} was not joined.`)
    return settle(channel.push(event, { token: this.#person.token, ...payload }))
  }

  /** Returns an array that collects the payloads of some events of a topic from now on. */
  collect(topic: string, ...events: string[]): Json[] {
    const received: Json[] = []
    for (const event of events) this.#channels.get(topic)?.on(event, (payload) => void received.push(payload))
    return received
  }
}

/** Starts a group. The first member is its creator. @returns its id. */
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
