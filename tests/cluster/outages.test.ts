import { Presence } from 'phoenix'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { Cluster } from './rig/cluster.ts'
import type { Node } from './rig/node.ts'
import { copies, type Person, request, signUp, startGroup } from './rig/people.ts'

let cluster: Cluster
let nodes: [Node, Node, Node]

beforeAll(async () => {
  cluster = await Cluster.start({ nodes: 3 })
  nodes = cluster.nodes as [Node, Node, Node]
})
afterAll(() => cluster?.dispose())

/** What a node says of itself: whether it is ready, and one of its figures. */
async function health(node: Node) {
  const ready = await request(node, 'GET', '/readyz')
  const metrics: string = (await request(node, 'GET', '/metrics')).body
  const connected = /^parley_backplane_connected (\d)$/m.exec(metrics)?.[1]
  return { status: ready.status, says: ready.body.status, connected }
}

it('a node that is killed takes its users along, within 15 seconds', async () => {
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
  // This is a promise in seconds, and the only one here.
  expect(Date.now() - killedAt).toBeLessThan(15_000)
  await nodes[2].start()
})

describe('without Redis', () => {
  it('each node serves its own and says so; afterwards everybody gets what they missed, once and in order', async () => {
    const people = await Promise.all(['ann', 'bob'].map((name) => signUp(nodes[0], name)))
    const [ann, bob] = people as [Person, Person]
    const topic = `conversation:${await startGroup(nodes[0], people)}`
    const seats = [ann.at(nodes[0]), bob.at(nodes[0]), bob.at(nodes[1])] as const
    const [annHere, bobHere, bobThere] = seats
    for (const seat of seats) {
      await seat.joinOwn()
      await seat.join(topic)
    }
    const heard = [
      annHere.hear(`user:${ann.id}`, 'new_message'),
      bobHere.hear(`user:${bob.id}`, 'new_message'),
      bobThere.hear(`user:${bob.id}`, 'new_message'),
    ] as const
    const texts = () => heard.map((told) => told.map(({ message }) => message.content))

    await cluster.redis.stop()
    await eventually(async () => {
      for (const node of nodes)
        expect(await health(node)).toEqual({ status: 200, says: 'ok, but without redis', connected: '0' })
    })
    await annHere.push(topic, 'send_message', copies(people, 'one'))
    await eventually(() => expect(texts()).toEqual([['one'], ['one'], []]))
    await bobThere.push(topic, 'send_message', copies(people, 'two'))
    await eventually(() => expect(texts()).toEqual([['one'], ['one'], ['one', 'two']]))

    await cluster.redis.start()
    await eventually(() => expect(texts()).toEqual(Array(3).fill(['one', 'two'])))
    await eventually(async () => {
      for (const node of nodes)
        expect(await health(node)).toEqual({ status: 200, says: 'ok', connected: '1' })
    })
    await annHere.push(topic, 'send_message', copies(people, 'three'))
    await eventually(() => expect(texts()).toEqual(Array(3).fill(['one', 'two', 'three'])))
  })

  it('conversations that began meanwhile are told of afterwards', async () => {
    const people = await Promise.all(['ann', 'bob'].map((name) => signUp(nodes[0], name)))
    const [ann, bob] = people as [Person, Person]
    const there = bob.at(nodes[1])
    await there.joinOwn()
    const told = there.hear(`user:${bob.id}`, 'new_conversation', 'new_message')
    await cluster.redis.stop()
    await eventually(async () => expect((await health(nodes[0])).connected).toBe('0'))
    const id = await startGroup(nodes[0], people)
    const here = ann.at(nodes[0])
    await here.join(`conversation:${id}`)
    await here.push(`conversation:${id}`, 'send_message', copies(people, 'hello'))
    await cluster.redis.start()
    await eventually(() => expect(told).toHaveLength(2))
    expect(told[0]).toMatchObject({
      conversation: { id },
      user_ids: expect.arrayContaining([ann.id, bob.id]),
    })
    expect(told[1]).toMatchObject({ conversation_id: id, message: { content: 'hello', seq: 1 } })
  })
})
