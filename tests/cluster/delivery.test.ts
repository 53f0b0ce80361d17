import { randomUUID } from 'node:crypto'
import { LongPoll, Presence } from 'phoenix'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { copiesFor } from '../support/conversations.ts'
import { eventually } from '../support/eventually.ts'
import { type Json, openSocket, settle } from '../support/phoenix.ts'
import { PollClient } from '../support/poll-client.ts'
import { RawClient } from '../support/raw-client.ts'
import { Cluster } from './harness/cluster.ts'
import type { Node } from './harness/node.ts'
import { type Connection, type Person, request, signUp, startGroup } from './harness/people.ts'
import { TcpProxy } from './harness/tcp-proxy.ts'

let cluster: Cluster
let nodes: [Node, Node, Node]

beforeAll(async () => {
  cluster = await Cluster.start({ nodes: 3 })
  nodes = cluster.nodes as [Node, Node, Node]
})
afterAll(() => cluster?.dispose())

/** A group of Ann, Bob and Cid. Each is connected to a different node and has joined all topics. */
async function threeApart() {
  const people = await Promise.all(['ann', 'bob', 'cid'].map((name) => signUp(nodes[0], name)))
  const id = await startGroup(nodes[0], people)
  const topic = `conversation:${id}`
  const connections = people.map((person, n) => person.at(nodes[n] as Node))
  for (const connection of connections) {
    await connection.joinOwn()
    await connection.join(topic)
  }
  type Three<T> = [T, T, T]
  return { id, topic, people: people as Three<Person>, connections: connections as Three<Connection> }
}

/** Creates a room. The first person is its creator. */
async function makeRoom(people: Person[]): Promise<string> {
  const { body } = await request(nodes[0], 'POST', '/api/v1/chat/room-list/', {
    token: people[0]?.token as string,
    body: { room_name: randomUUID(), user_ids: people.map(({ id }) => id) },
  })
  return body.id
}

describe('conversations', () => {
  it('deliver the messages of all nodes to all members in the same order', async () => {
    const { topic, people, connections } = await threeApart()
    const received = connections.map((connection, n) =>
      connection.collect(`user:${people[n]?.id}`, 'new_message'),
    )
    await Promise.all(
      connections.flatMap((connection, n) =>
        Array.from({ length: 20 }, (_, i) =>
          connection.push(topic, 'send_message', copiesFor(people, `${n}:${i}`)),
        ),
      ),
    )
    await eventually(() => expect(received.map(({ length }) => length)).toEqual([60, 60, 60]))
    const [first, ...others] = received.map((events) =>
      events.map(({ message }) => [message.seq, message.content]),
    )
    expect(first?.map(([seq]) => seq)).toEqual(Array.from({ length: 60 }, (_, i) => i + 1))
    for (const other of others) expect(other).toEqual(first)
  })

  it('deliver edits and deletions on other nodes in seq order', async () => {
    const { topic, people, connections } = await threeApart()
    const [ann, , cid] = connections
    const received = cid.collect(`user:${people[2].id}`, 'new_message', 'edit_message')
    const gone = cid.collect(topic, 'delete_message')
    const sent = await ann.push(topic, 'send_message', {
      ...copiesFor(people, 'a'),
      client_message_id: randomUUID(),
    })
    const message_group_id = sent.response.message_group
    await ann.push(topic, 'edit_message', { message_group_id, ...copiesFor(people, 'b') })
    await ann.push(topic, 'delete_message', { message_group_id })
    await eventually(() => expect(gone).toHaveLength(1))
    expect(received.map(({ seq, message }) => [seq ?? message.seq, message.content])).toEqual([
      [1, 'a'],
      [2, 'b'],
    ])
    expect(gone).toEqual([{ message_group_id, seq: 3 }])
  })

  it('store a message once that is sent over all nodes concurrently and again later', async () => {
    const { topic, people, connections } = await threeApart()
    const [ann] = people
    const elsewhere = await Promise.all(
      nodes.map(async (node) => {
        const connection = ann.at(node)
        await connection.join(topic)
        return connection
      }),
    )
    const received = connections[1].collect(`user:${people[1].id}`, 'new_message')
    const message = { ...copiesFor(people, 'x'), client_message_id: randomUUID() }
    const send = (connection: Connection) => connection.push(topic, 'send_message', message)
    const answers = await Promise.all(elsewhere.map(send))
    answers.push(await send(elsewhere[2] as Connection))
    expect(answers[0]).toMatchObject({ status: 'ok', response: { seq: 1 } })
    for (const answer of answers) expect(answer).toEqual(answers[0])
    await elsewhere[0]?.push(topic, 'send_message', copiesFor(people, 'last'))
    await eventually(() => expect(received.at(-1)?.message.content).toBe('last'))
    expect(received.map(({ message }) => message.seq)).toEqual([1, 2])
  })

  it('send new_conversation to an added member on any node, and nothing to a former member', async () => {
    const { topic, people, connections } = await threeApart()
    const [ann, bob, cid] = connections
    const bobElsewhere = people[1].at(nodes[2])
    await bobElsewhere.joinOwn()
    const channel = await bobElsewhere.join(topic)
    const closed = new Promise<void>((resolve) => channel.onClose(() => resolve()))
    const events = bobElsewhere.collect(`user:${people[1].id}`, 'new_message', 'new_conversation')
    const seen = bobElsewhere.collect(topic, 'start_typing')

    const left = cid.collect(topic, 'leave_conversation')
    await bob.push(topic, 'leave_conversation')
    await closed
    await eventually(() => expect(left).toMatchObject([{ user_id: people[1].id }]))
    const rest = [people[0], people[2]]
    expect(await ann.push(topic, 'send_message', copiesFor(rest, 'without bob'))).toMatchObject({
      status: 'ok',
    })
    await cid.push(topic, 'start_typing')

    const received = cid.collect(`user:${people[2].id}`, 'new_message')
    await ann.push(topic, 'modify_conversation', { new_members: [people[1].id] })
    await ann.push(topic, 'send_message', copiesFor(people, 'with bob'))
    await eventually(() => expect(events).toHaveLength(2))
    expect(events[0].user_ids).toContain(people[1].id)
    expect(events[1].message.content).toBe('with bob')
    expect(seen).toEqual([])
    await eventually(() => expect(received.at(-1)?.message.content).toBe('with bob'))
  })

  it('broadcast typing on all nodes, and its end when the connection is closed', async () => {
    const { topic, people, connections } = await threeApart()
    const [ann, bob, cid] = connections
    const started = cid.collect(topic, 'start_typing')
    const finished = cid.collect(topic, 'finish_typing')
    await ann.push(topic, 'start_typing')
    await eventually(() => expect(started).toEqual([{ user_id: people[0].id }]))
    await ann.push(topic, 'finish_typing')
    await eventually(() => expect(finished).toEqual([{ user_id: people[0].id }]))
    await bob.push(topic, 'start_typing')
    await eventually(() => expect(started).toHaveLength(2))
    bob.socket.disconnect()
    await eventually(() => expect(finished.at(-1)).toEqual({ user_id: people[1].id }))
  })
})

describe('polling', () => {
  it('works when each request of a client reaches a different node', async () => {
    const { topic, people, connections } = await threeApart()
    const [ann] = people
    let requestCount = 0
    const proxy = await TcpProxy.open(() => (nodes[requestCount++ % 3] as Node).port)
    onTestFinished(() => proxy.close())
    const { token } = ann
    const socket = openSocket(`ws://127.0.0.1:${proxy.port}/socket`, { token, transport: LongPoll })
    onTestFinished(() => socket.disconnect())
    const userChannel = socket.channel(`user:${ann.id}`, { token })
    const received: string[] = []
    userChannel.on('new_message', ({ message }) => void received.push(message.content))
    const conversationChannel = socket.channel(topic, { token })
    expect(await settle(userChannel.join())).toMatchObject({ status: 'ok' })
    expect(await settle(conversationChannel.join())).toMatchObject({ status: 'ok' })
    const texts = Array.from({ length: 10 }, (_, i) => String(i))
    for (const text of texts) {
      const isHers = Number(text) % 2 === 0
      const sent = isHers
        ? settle(conversationChannel.push('send_message', { token, ...copiesFor(people, text) }))
        : connections[2].push(topic, 'send_message', copiesFor(people, text))
      expect(await sent).toMatchObject({ status: 'ok' })
    }
    await eventually(() => expect(received).toEqual(texts))
    expect(requestCount).toBeGreaterThan(1)
  })
})

describe('presence', () => {
  /** Joins presence with phoenix.js. `online` returns the number of connections by user id. */
  async function watch(person: Person, node: Node) {
    const connection = person.at(node)
    const channel = connection.channel('system:general')
    const presence = new Presence(channel)
    channel.join()
    const online = () => {
      const found: Record<string, number> = {}
      presence.list((id, { metas }: Json) => {
        found[id] = metas.length
      })
      return found
    }
    return { connection, online }
  }

  it('is the same on all nodes after joins, leaves and changes of hidden', async () => {
    const [ann, bob, cid] = (await Promise.all(
      ['ann', 'bob', 'cid'].map((name) => signUp(nodes[0], name)),
    )) as [Person, Person, Person]
    const connected = [await watch(ann, nodes[0]), await watch(bob, nodes[1]), await watch(cid, nodes[2])]
    const bobElsewhere = await watch(bob, nodes[2])
    const expectOnline = (expected: Record<string, number>) =>
      eventually(() => {
        for (const { online } of connected) expect(online()).toMatchObject(expected)
        for (const { online } of connected) expect(knownOnly(online())).toEqual(Object.keys(expected).sort())
      })
    const knownOnly = (online: Record<string, number>) =>
      Object.keys(online)
        .filter((id) => [ann.id, bob.id, cid.id].includes(id))
        .sort()

    await expectOnline({ [ann.id]: 1, [bob.id]: 2, [cid.id]: 1 })
    bobElsewhere.connection.socket.disconnect()
    await expectOnline({ [ann.id]: 1, [bob.id]: 1, [cid.id]: 1 })
    const annElsewhere = await watch(ann, nodes[2])
    await expectOnline({ [ann.id]: 2, [bob.id]: 1, [cid.id]: 1 })
    await request(nodes[1], 'PATCH', '/api/profile', { token: ann.token, body: { hidden: true } })
    await expectOnline({ [bob.id]: 1, [cid.id]: 1 })
    await annElsewhere.connection.push('system:general', 'set_hidden', { hidden: false })
    await expectOnline({ [ann.id]: 2, [bob.id]: 1, [cid.id]: 1 })
  })
})

describe('sessions', () => {
  it('end on all nodes: their connections are closed, and their tokens rejected', async () => {
    const ann = await signUp(nodes[0], 'ann')
    const connections = nodes.map((node) => ann.at(node))
    await Promise.all(connections.map((connection) => connection.joinOwn()))
    await request(nodes[0], 'POST', '/api/signout_all', { token: ann.token })
    expect(await Promise.all(connections.map(({ closed }) => closed))).toEqual([1001, 1001, 1001])
    const answers = await Promise.all(
      nodes.map((node) => request(node, 'GET', '/api/users', { token: ann.token })),
    )
    expect(answers.map(({ status }) => status)).toEqual([401, 401, 401])
  })

  it('limit password guesses over all nodes together', async () => {
    const { email } = await signUp(nodes[0], 'ann')
    const statuses: number[] = []
    for (let attempt = 0; attempt < 12; attempt++) {
      const body = { email, password: 'not the password at all' }
      statuses.push((await request(nodes[attempt % 3] as Node, 'POST', '/auth/login', { body })).status)
    }
    expect(statuses.slice(0, 10)).toEqual(Array(10).fill(401))
    expect(statuses.slice(10)).toEqual([429, 429])
  })
})

describe('rooms', () => {
  /** Joins a room over the multiplexed socket, and collects its events. */
  async function enter(person: Person, node: Node, roomId: string) {
    const connection = person.at(node)
    const topic = `room:${roomId}`
    const channel = connection.channel(topic)
    const events: Json[] = []
    for (const event of ['chat.active', 'chat.message', 'chat.typing', 'chat.notification'])
      channel.on(event, (payload) => void events.push(payload))
    const closed = new Promise<void>((resolve) => channel.onClose(() => resolve()))
    channel.join()
    const of = (type: string) => events.filter((one) => one.type === type)
    return { connection, topic, closed, of, online: () => of('chat.active').at(-1)?.content }
  }

  it('deliver messages to both kinds of socket on all nodes, and count connected members', async () => {
    const people = await Promise.all(['ann', 'bob', 'cid'].map((name) => signUp(nodes[0], name)))
    const [ann, bob, cid] = people as [Person, Person, Person]
    const id = await makeRoom(people)
    const [a, b] = [await enter(ann, nodes[0], id), await enter(bob, nodes[1], id)]
    const again = await enter(bob, nodes[0], id)
    await eventually(() => expect([a, b, again].map(({ online }) => online())).toEqual([2, 2, 2]))
    const plain = await RawClient.connect(`${nodes[2].url.replace('http', 'ws')}/ws/chat/${id}/`, {
      headers: { authorization: `Bearer ${cid.token}` },
    })
    await eventually(() => expect([a, b, again].map(({ online }) => online())).toEqual([3, 3, 3]))

    const client_message_id = randomUUID()
    await a.connection.push(a.topic, 'message', { message: 'from one', client_message_id })
    await b.connection.push(b.topic, 'message', { message: 'from two' })
    plain.send({ message_type: 'message', message: 'from three' })
    const texts = (events: Json[]) => events.map(({ text_content: text }) => text)
    const expected = ['from one', 'from two', 'from three']
    await eventually(() => expect(texts(a.of('chat.message'))).toEqual(expected))
    await eventually(() => expect(texts(b.of('chat.message'))).toEqual(expected))
    await eventually(() => {
      const frames = plain.frames as Json[]
      expect(texts(frames.filter(({ type }) => type === 'chat.message'))).toEqual(expected)
    })

    plain.close()
    again.connection.socket.disconnect()
    await eventually(() => expect([a, b].map(({ online }) => online())).toEqual([2, 2]))
  })

  it('disconnect a removed member on all nodes, who receives nothing afterwards', async () => {
    const people = await Promise.all(['ann', 'bob'].map((name) => signUp(nodes[0], name)))
    const [ann, bob] = people as [Person, Person]
    const id = await makeRoom(people)
    const a = await enter(ann, nodes[0], id)
    const connected = [await enter(bob, nodes[1], id), await enter(bob, nodes[2], id)]
    await eventually(() => expect(connected.map(({ online }) => online())).toEqual([2, 2]))
    const { token } = ann
    const gone = await request(nodes[2], 'DELETE', `/api/v1/chat/rooms/${id}/users/${bob.id}/`, { token })
    expect(gone.status).toBe(204)
    await Promise.all(connected.map(({ closed }) => closed))
    await a.connection.push(a.topic, 'message', { message: 'without bob' })
    await eventually(() => expect(a.of('chat.message')).toHaveLength(1))
    await eventually(() => expect(a.online()).toBe(1))
    expect(connected.map(({ of }) => of('chat.message'))).toEqual([[], []])
  })
})

describe('a client that polls', () => {
  async function startPolling() {
    const people = await Promise.all(['ann', 'bob'].map((name) => signUp(nodes[0], name)))
    const [ann, bob] = people as [Person, Person]
    const topic = `conversation:${await startGroup(nodes[0], people)}`
    const writer = ann.at(nodes[1])
    await writer.join(topic)
    const clients = nodes.map(({ url }) => new PollClient(`${url}/socket`, { params: { token: bob.token } }))
    const [first, second, third] = clients as [PollClient, PollClient, PollClient]
    const { token } = await first.open()
    for (const client of clients) client.token = token
    await second.send(['1', '1', `user:${bob.id}`, 'phx_join', { token: bob.token }])
    expect((await third.frames())[0]).toMatchObject([
      '1',
      '1',
      `user:${bob.id}`,
      'phx_reply',
      { status: 'ok' },
    ])
    const write = (text: string) => writer.push(topic, 'send_message', copiesFor(people, text))
    return { bob, clients, write }
  }

  it('may poll any node, and misses nothing', async () => {
    const { clients, write } = await startPolling()
    const texts = Array.from({ length: 30 }, (_, i) => `${i}`)
    const written = Promise.all(texts.map(write))
    const received: string[] = []
    for (let polls = 0; received.length < texts.length; polls++) {
      const { messages } = await clients[polls % clients.length]!.poll()
      for (const message of messages) received.push(JSON.parse(message)[4].message.content)
    }
    expect(received).toEqual(texts)
    await written
  })

  it('is rejected on every node when its session has ended', async () => {
    const { bob, clients } = await startPolling()
    const { token, refreshToken } = bob
    await request(nodes[2], 'POST', '/api/signout', { token, body: { token: refreshToken } })
    for (const client of clients) await eventually(async () => expect((await client.poll()).status).toBe(403))
  })
})
