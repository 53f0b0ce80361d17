import type { Channel } from 'phoenix'
import { describe, expect, it } from 'vitest'
import { type Person, startNodes, type TestApp } from '../../support/app.ts'
import { copiesFor, KEYS, push, startGroup } from '../../support/conversations.ts'
import { eventually } from '../../support/eventually.ts'
import { settle } from '../../support/phoenix.ts'
import { readPresence } from '../../support/presence.ts'

const MISSED = ['new_message', 'edit_message', 'delete_message', 'leave_conversation'] as const

/** Collects the events that a channel receives, in order. */
function record(channel: Channel): string[] {
  const received: string[] = []
  for (const event of MISSED) {
    channel.on(
      event,
      (payload) => void received.push(`${event} ${payload.message?.content ?? payload.seq ?? ''}`.trim()),
    )
  }
  return received
}

async function joinAt(node: TestApp, person: Person, topic: string): Promise<Channel> {
  const channel = person.connect({ at: node }).channel(topic, { token: person.token })
  expect(await settle(channel.join())).toMatchObject({ status: 'ok' })
  return channel
}

/** Starts a group of Ann and Bob, on two nodes. */
async function startApart() {
  const nodes = await startNodes(2)
  const [here, there] = nodes as [(typeof nodes)[number], (typeof nodes)[number]]
  const { id, people, channels } = await startGroup(here, ['ann', 'bob'])
  const [ann, bob] = people as [Person, Person]
  const userChannel = await joinAt(there, bob, `user:${bob.id}`)
  const channel = await joinAt(there, bob, `conversation:${id}`)
  const send = (text: string) => push(ann, channels[0] as Channel, 'send_message', copiesFor(people, text))
  return { here, there, ann, bob, id, people, annChannel: channels[0] as Channel, userChannel, channel, send }
}

describe('a user on another node', () => {
  it('receives sent, edited and deleted messages', async () => {
    const { userChannel, channel, send, ann, annChannel, people } = await startApart()
    const [received, receivedInConversation] = [record(userChannel), record(channel)]
    await send('one')
    await eventually(() => expect(received).toEqual(['new_message one']))
    const { response } = await push(ann, annChannel, 'send_message', {
      ...copiesFor(people, 'two'),
      client_message_id: '0190f3a0-0000-7000-8000-000000000001',
    })
    const message_group_id = response.message_group
    await push(ann, annChannel, 'edit_message', { message_group_id, ...copiesFor(people, 'too') })
    await push(ann, annChannel, 'delete_message', { message_group_id })
    await eventually(() =>
      expect(received).toEqual(['new_message one', 'new_message two', 'edit_message too']),
    )
    await eventually(() => expect(receivedInConversation).toEqual(['delete_message 4']))
  })

  it('receives messages that were sent while the nodes were disconnected, in order, after they reconnect', async () => {
    const { here, userChannel, send } = await startApart()
    const received = record(userChannel)
    await send('one')
    await eventually(() => expect(received).toHaveLength(1))
    here.backplane.isConnected = false
    await send('two')
    await send('three')
    here.backplane.restore()
    await eventually(() =>
      expect(received).toEqual(['one', 'two', 'three'].map((text) => `new_message ${text}`)),
    )
    await send('four')
    await eventually(() => expect(received.slice(3)).toEqual(['new_message four']))
  })

  it('receives a lost message before the next one, also when no node noticed the loss', async () => {
    const { here, there, userChannel, send } = await startApart()
    const received = record(userChannel)
    there.backplane.isConnected = false
    await send('lost')
    there.backplane.isConnected = true
    await send('next')
    await eventually(() => {
      here.clock.advance(10)
      expect(received).toEqual(['new_message lost', 'new_message next'])
    })
  })

  it('receives the reply after their own message, also when an earlier message is missing', async () => {
    const { here, there, bob, channel, userChannel, send, people } = await startApart()
    const received = record(userChannel)
    there.backplane.isConnected = false
    await send('lost')
    there.backplane.isConnected = true
    const answered = push(bob, channel, 'send_message', copiesFor(people, 'mine')).then(() => [...received])
    await eventually(async () => {
      here.clock.advance(10)
      expect(await Promise.race([answered, undefined])).toEqual(['new_message lost', 'new_message mine'])
    })
  })

  it('receives a conversation that was started while the nodes were disconnected, and its messages', async () => {
    const { here, there, ann, bob, userChannel } = await startApart()
    const begun: string[] = []
    userChannel.on('new_conversation', ({ conversation }) => void begun.push(conversation.alias))
    const received = record(userChannel)
    there.backplane.isConnected = false
    const { channel } = await startGroupOf(here, ann, [ann, bob], 'Later')
    await push(ann, channel, 'send_message', copiesFor([ann, bob], 'hello'))
    there.backplane.restore()
    await eventually(() => expect([begun, received]).toEqual([['Later'], ['new_message hello']]))
  })

  it('is removed from the topic after leaving on this node, also while the nodes are disconnected', async () => {
    for (const cut of [false, true]) {
      const { here, there, bob, id, channel } = await startApart()
      let closed = false
      channel.onClose(() => {
        closed = true
      })
      const second = await joinAt(here, bob, `conversation:${id}`)
      there.backplane.isConnected = !cut
      await push(bob, second, 'leave_conversation')
      await eventually(() => {
        if (cut) there.clock.advance(1_000)
        expect(closed).toBe(true)
      })
    }
  })

  it('is hidden after setting hidden on this node, also while the nodes are disconnected', async () => {
    for (const cut of [false, true]) {
      const { here, there, bob } = await startApart()
      await joinAt(there, bob, 'system:general')
      await eventually(() =>
        expect(readPresence(there.endpoint.presence, 'system:general')).toHaveProperty(bob.id),
      )
      there.backplane.isConnected = !cut
      await here.request('PATCH', '/api/profile', { token: bob.token, body: { hidden: true } })
      if (cut) there.backplane.restore()
      await eventually(() =>
        expect(readPresence(there.endpoint.presence, 'system:general')).not.toHaveProperty(bob.id),
      )
    }
  })

  it('stays hidden on a socket that joined hidden after a change that arrives late', async () => {
    const { here, there, bob } = await startApart()
    const hide = async () => {
      const payload = { token: bob.token, hidden: true }
      const channel = bob.connect({ at: there }).channel('system:general', payload)
      expect(await settle(channel.join())).toMatchObject({ status: 'ok' })
    }
    await hide()
    there.backplane.isConnected = false
    await here.request('PATCH', '/api/profile', { token: bob.token, body: { hidden: true } })
    await here.request('PATCH', '/api/profile', { token: bob.token, body: { hidden: false } })
    here.clock.advance(1_000)
    await hide()
    there.backplane.restore()
    await eventually(() => {
      expect(readPresence(there.endpoint.presence, 'system:general')[bob.id]?.metas).toHaveLength(1)
    })
  })

  it('is disconnected when the session is revoked on this node', async () => {
    const { here, bob, userChannel } = await startApart()
    let closed = false
    userChannel.onError(() => {
      closed = true
    })
    await here.request('POST', '/api/signout_all', { token: bob.token })
    await eventually(() => expect(closed).toBe(true))
  })
})

describe('a room', () => {
  /** Creates a room of Ann and Bob. Bob joins it on the second node. */
  async function startRoom() {
    const nodes = await startNodes(2)
    const [here, there] = nodes as [(typeof nodes)[number], (typeof nodes)[number]]
    const [ann, bob] = [await here.signUp('ann'), await here.signUp('bob')]
    const { services } = here
    const room = await services.rooms.create(ann.id, { name: 'Attic', userIds: [bob.id] })
    const channel = await joinAt(there, bob, `room:${room.id}`)
    const received: string[] = []
    const counts: number[] = []
    channel.on('chat.message', ({ text_content }) => void received.push(text_content))
    channel.on('chat.active', ({ content }) => void counts.push(content))
    return { here, there, ann, bob, room, services, channel, received, counts }
  }

  it('delivers messages of another node, also missed ones, once and in order', async () => {
    const { there, ann, room, services, received } = await startRoom()
    await services.rooms.post(room.id, ann.id, { text: 'one' })
    await eventually(() => expect(received).toEqual(['one']))
    there.backplane.isConnected = false
    await services.rooms.post(room.id, ann.id, { text: 'two' })
    there.backplane.restore()
    await eventually(() => expect(received).toEqual(['one', 'two']))
    await services.rooms.post(room.id, ann.id, { text: 'three' })
    await eventually(() => expect(received).toEqual(['one', 'two', 'three']))
  })

  it('can be joined while another join in the same batch has an invalid id', async () => {
    const { here, ann, room } = await startRoom()
    const socket = ann.connect({ at: here })
    const payload = { token: ann.token }
    const [odd, good] = ['room:\u0000', `room:${room.id}`].map((topic) => socket.channel(topic, payload))
    expect(await Promise.all([settle(odd!.join()), settle(good!.join())])).toMatchObject([
      { status: 'error', response: 'no_room' },
      { status: 'ok' },
    ])
  })

  it('counts each connected member once over all nodes', async () => {
    const { here, there, ann, bob, room, counts } = await startRoom()
    await joinAt(here, ann, `room:${room.id}`)
    await eventually(() => {
      here.clock.advance(50)
      expect(counts.at(-1)).toBe(2)
    })
    await joinAt(here, bob, `room:${room.id}`)
    here.clock.advance(50)
    await eventually(() => {
      expect(here.services.roomPresence.count(room.id)).toBe(2)
      expect(there.services.roomPresence.count(room.id)).toBe(2)
    })
  })

  it('closes the channel of a removed member within a second while the nodes are disconnected', async () => {
    const { there, ann, bob, room, services, channel } = await startRoom()
    let closed = false
    channel.onClose(() => {
      closed = true
    })
    there.backplane.isConnected = false
    await services.rooms.removeMember(room.id, ann.id, bob.id)
    there.clock.advance(1_000)
    await eventually(() => expect(closed).toBe(true))
  })

  it('delivers no later messages to a removed member, also when the removal message was lost', async () => {
    const { here, there, ann, bob, room, services, channel, received } = await startRoom()
    let closed = false
    channel.onClose(() => {
      closed = true
    })
    there.backplane.isConnected = false
    await services.rooms.removeMember(room.id, ann.id, bob.id)
    there.backplane.isConnected = true
    await services.rooms.post(room.id, ann.id, { text: 'without Bob' })
    await eventually(() => {
      here.clock.advance(10)
      expect(closed).toBe(true)
    })
    expect(received).toEqual([])
  })
})

async function startGroupOf(node: TestApp, creator: Person, people: Person[], alias: string) {
  const system = await joinAt(node, creator, 'system:general')
  const { response: id } = await push(creator, system, 'start_group_conversation', {
    user_ids: people.map((person) => person.id),
    alias,
    ...KEYS,
  })
  return { channel: await joinAt(node, creator, `conversation:${id}`) }
}
