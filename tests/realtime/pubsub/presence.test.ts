import { Presence as PresenceClient } from 'phoenix'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { Presence } from '../../../src/realtime/pubsub/presence.ts'
import { PresenceState } from '../../../src/realtime/pubsub/presence-state.ts'
import { defineChannel } from '../../../src/realtime/socket/channel-definition.ts'
import { openSocket, settle } from '../../support/phoenix.ts'
import { readPresence } from '../../support/presence.ts'
import type { RawClient } from '../../support/raw-client.ts'
import { startRealtime } from '../../support/realtime-server.ts'

const meta = (phx_ref: string) => ({ phx_ref })

describe('PresenceState', () => {
  it('returns the joins and leaves since the last diff, and the current state', () => {
    const state = new PresenceState()
    state.add('ann', meta('1'))
    state.add('ann', meta('2'))
    expect(state.takeDiff()).toEqual({ joins: { ann: { metas: [meta('1'), meta('2')] } }, leaves: {} })
    state.add('bob', meta('3'))
    state.remove('ann', '1')
    expect(JSON.parse(state.stateJson())).toEqual({
      ann: { metas: [meta('2')] },
      bob: { metas: [meta('3')] },
    })
    expect(state.takeDiff()).toEqual({
      joins: { bob: { metas: [meta('3')] } },
      leaves: { ann: { metas: [meta('1')] } },
    })
    expect(state.hasChanges).toBe(false)
  })

  it('includes a meta that was added and removed in between in both halves of the diff', () => {
    const state = new PresenceState()
    state.add('ann', meta('1'))
    state.remove('ann', '1')
    expect(state.takeDiff()).toEqual({
      joins: { ann: { metas: [meta('1')] } },
      leaves: { ann: { metas: [meta('1')] } },
    })
    expect(state.size).toBe(0)
  })

  it('includes a meta that was removed and added again only in the joins: clients apply leaves after joins', () => {
    const state = new PresenceState()
    state.add('ann', meta('1'))
    state.takeDiff()
    state.remove('ann', '1')
    state.add('ann', meta('1'))
    expect(state.takeDiff()).toEqual({ joins: { ann: { metas: [meta('1')] } }, leaves: {} })
    state.remove('ann', '1')
    state.add('ann', meta('1'))
    state.remove('ann', '1')
    expect(state.takeDiff()).toEqual({
      joins: { ann: { metas: [meta('1')] } },
      leaves: { ann: { metas: [meta('1')] } },
    })
  })

  it('ignores the removal of an unknown meta', () => {
    const state = new PresenceState()
    state.remove('ann', '1')
    expect(state.hasChanges).toBe(false)
  })
})

/** A channel whose members are present, and can hide. */
function lobby(presence: () => Presence) {
  return defineChannel<null>({
    pattern: 'lobby',
    join: () => ({ state: null }),
    joined(channel) {
      presence().track(channel, channel.userId, { mood: 'new' })
      presence().pushState(channel)
    },
    left: (channel) => presence().untrack(channel),
    events: {
      hide: { handle: (channel) => presence().untrack(channel) },
      show: { handle: (channel) => presence().track(channel, channel.userId, { mood: 'back' }) },
    },
  })
}

async function startLobby() {
  const server = await startRealtime([lobby(() => server.endpoint.presence)])
  const enter = async (user: string): Promise<RawClient> => {
    const client = await server.connect(user)
    await client.call(['1', '1', 'lobby', 'phx_join', {}])
    return client
  }
  return { ...server, enter }
}

describe('presence', () => {
  it('pushes the state, which includes the client itself, after the reply to the join, then diffs', async () => {
    const { clock, enter } = await startLobby()
    const ann = await enter('ann')
    expect((await ann.event('presence_state'))[4]).toEqual({
      ann: { metas: [{ mood: 'new', phx_ref: expect.any(String) }] },
    })
    const bob = await enter('bob')
    expect(Object.keys((await bob.event('presence_state'))[4] as object)).toEqual(['ann', 'bob'])
    clock.advance(100)
    const [, , topic, , diff] = await ann.event('presence_diff')
    expect(topic).toBe('lobby')
    expect(diff).toMatchObject({ joins: { ann: {}, bob: {} }, leaves: {} })
  })

  it('coalesces simultaneous joins into one diff', async () => {
    const { clock, enter } = await startLobby()
    const ann = await enter('ann')
    clock.advance(100)
    await ann.settled()
    for (let i = 0; i < 30; i++) await enter(`user ${i}`)
    clock.advance(100)
    const diffs = await ann.settled()
    expect(diffs).toHaveLength(1)
    expect(Object.keys((diffs[0] as [0, 0, 0, 0, { joins: object }])[4].joins)).toHaveLength(30)
  })

  it('has one meta per socket until the socket leaves; track and untrack are idempotent', async () => {
    const { endpoint, clock, enter } = await startLobby()
    const [ann, tab] = [await enter('ann'), await enter('ann')]
    expect(readPresence(endpoint.presence, 'lobby').ann?.metas).toHaveLength(2)
    await tab.call(['1', '2', 'lobby', 'hide', {}])
    await tab.call(['1', '3', 'lobby', 'hide', {}])
    expect(readPresence(endpoint.presence, 'lobby').ann?.metas).toHaveLength(1)
    await tab.call(['1', '4', 'lobby', 'show', {}])
    await tab.call(['1', '5', 'lobby', 'show', {}])
    expect(readPresence(endpoint.presence, 'lobby').ann?.metas).toHaveLength(2)
    clock.advance(100)
    await ann.settled()
    await tab.call(['1', '6', 'lobby', 'phx_leave', {}])
    clock.advance(100)
    expect((await ann.event('presence_diff'))[4]).toMatchObject({
      joins: {},
      leaves: { ann: { metas: [{}] } },
    })
  })

  it('rejects keys that every object inherits', async () => {
    const { endpoint } = await startLobby()
    for (const key of ['__proto__', 'constructor', 'toString']) {
      expect(() => endpoint.presence.track({ topic: 'lobby', push() {} }, key, {})).toThrow(RangeError)
    }
  })

  it('is understood by the official client', async () => {
    const { url, clock, enter } = await startLobby()
    const socket = openSocket(url, { token: 'ann' })
    onTestFinished(() => socket.disconnect())
    const channel = socket.channel('lobby')
    const presence = new PresenceClient(channel)
    const present = () => presence.list((key) => key).sort()
    const until = (names: string[]) =>
      new Promise<void>((resolve) => {
        const check = () => void (present().join() === names.join() && resolve())
        presence.onSync(check)
        check()
      })
    await settle(channel.join())
    await until(['ann'])
    const bob = await enter('bob')
    clock.advance(100)
    await until(['ann', 'bob'])
    await bob.call(['1', '2', 'lobby', 'phx_leave', {}])
    clock.advance(100)
    await until(['ann'])
  })
})
