import { Presence } from 'phoenix'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { copiesFor } from '../support/conversations.ts'
import { eventually } from '../support/eventually.ts'
import { Cluster } from './harness/cluster.ts'
import type { Node } from './harness/node.ts'
import { type Person, request, signUp, startGroup } from './harness/people.ts'

let cluster: Cluster
let nodes: [Node, Node, Node]

beforeAll(async () => {
  cluster = await Cluster.start({ nodes: 3 })
  nodes = cluster.nodes as [Node, Node, Node]
})
afterAll(() => cluster?.dispose())

/** The readiness of a node, and its `parley_backplane_connected` metric. */
async function health(node: Node) {
  const ready = await request(node, 'GET', '/readyz')
  const metrics: string = (await request(node, 'GET', '/metrics')).body
  const connected = /^parley_backplane_connected (\d)$/m.exec(metrics)?.[1]
  return { status: ready.status, says: ready.body.status, connected }
}

it('removes the users of a killed node from presence within 15 seconds', async () => {
  const [ann, bob] = await Promise.all(['ann', 'bob'].map((name) => signUp(nodes[0], name)))
  const channel = (ann as Person).at(nodes[0]).channel('system:general')
  const presence = new Presence(channel)
  channel.join()
  const online = () => presence.list((id) => id)
  await (bob as Person).at(nodes[2]).join('system:general')
  await eventually(() => expect(online()).toContain(bob?.id))
  await nodes[2].kill()
  const killedAt = Date.now()
  await eventually(() => expect(online()).toEqual([ann?.id]))
  // The documented limit, in real time.
  expect(Date.now() - killedAt).toBeLessThan(15_000)
  await nodes[2].start()
})

describe('without Redis', () => {
  it('each node serves its own clients and reports the outage; afterwards clients receive missed messages once and in order', async () => {
    const people = await Promise.all(['ann', 'bob'].map((name) => signUp(nodes[0], name)))
    const [ann, bob] = people as [Person, Person]
    const topic = `conversation:${await startGroup(nodes[0], people)}`
    const connections = [ann.at(nodes[0]), bob.at(nodes[0]), bob.at(nodes[1])] as const
    const [annHere, bobHere, bobThere] = connections
    for (const connection of connections) {
      await connection.joinOwn()
      await connection.join(topic)
    }
    const received = [
      annHere.collect(`user:${ann.id}`, 'new_message'),
      bobHere.collect(`user:${bob.id}`, 'new_message'),
      bobThere.collect(`user:${bob.id}`, 'new_message'),
    ] as const
    const texts = () => received.map((events) => events.map(({ message }) => message.content))

    await cluster.redis.stop()
    await eventually(async () => {
      for (const node of nodes)
        expect(await health(node)).toEqual({ status: 200, says: 'ok, but without redis', connected: '0' })
    })
    await annHere.push(topic, 'send_message', copiesFor(people, 'one'))
    await eventually(() => expect(texts()).toEqual([['one'], ['one'], []]))
    await bobThere.push(topic, 'send_message', copiesFor(people, 'two'))
    await eventually(() => expect(texts()).toEqual([['one'], ['one'], ['one', 'two']]))

    await cluster.redis.start()
    await eventually(() => expect(texts()).toEqual(Array(3).fill(['one', 'two'])))
    await eventually(async () => {
      for (const node of nodes)
        expect(await health(node)).toEqual({ status: 200, says: 'ok', connected: '1' })
    })
    await annHere.push(topic, 'send_message', copiesFor(people, 'three'))
    await eventually(() => expect(texts()).toEqual(Array(3).fill(['one', 'two', 'three'])))
  })

  it('conversations that were started during the outage are announced afterwards', async () => {
    const people = await Promise.all(['ann', 'bob'].map((name) => signUp(nodes[0], name)))
    const [ann, bob] = people as [Person, Person]
    const there = bob.at(nodes[1])
    await there.joinOwn()
    const events = there.collect(`user:${bob.id}`, 'new_conversation', 'new_message')
    await cluster.redis.stop()
    await eventually(async () => expect((await health(nodes[0])).connected).toBe('0'))
    const id = await startGroup(nodes[0], people)
    const here = ann.at(nodes[0])
    await here.join(`conversation:${id}`)
    await here.push(`conversation:${id}`, 'send_message', copiesFor(people, 'hello'))
    await cluster.redis.start()
    await eventually(() => expect(events).toHaveLength(2))
    expect(events[0]).toMatchObject({
      conversation: { id },
      user_ids: expect.arrayContaining([ann.id, bob.id]),
    })
    expect(events[1]).toMatchObject({ conversation_id: id, message: { content: 'hello', seq: 1 } })
  })
})
