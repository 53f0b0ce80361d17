import { Presence as PresenceClient } from 'phoenix'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { Channel } from '../../src/realtime/channel.ts'
import { defineChannel } from '../../src/realtime/definition.ts'
import type { Presence } from '../../src/realtime/presence.ts'
import { Roster } from '../../src/realtime/roster.ts'
import { openSocket, settle } from '../support/phoenix.ts'
import type { RawClient } from '../support/raw-client.ts'
import { startRealtime } from '../support/realtime-server.ts'

const meta = (phx_ref: string) => ({ phx_ref })

describe('a roster', () => {
  it('tells joins and leaves since the last diff, and who is there', () => {
    const roster = new Roster()
    roster.add('ann', meta('1'))
    roster.add('ann', meta('2'))
    expect(roster.takeDiff()).toEqual({ joins: { ann: { metas: [meta('1'), meta('2')] } }, leaves: {} })
    roster.add('bob', meta('3'))
    roster.remove('ann', '1')
    expect(roster.state()).toEqual({ ann: { metas: [meta('2')] }, bob: { metas: [meta('3')] } })
    expect(roster.takeDiff()).toEqual({
      joins: { bob: { metas: [meta('3')] } },
      leaves: { ann: { metas: [meta('1')] } },
    })
    expect(roster.hasChanges).toBe(false)
  })

  it('tells one that came and went in both halves', () => {
    const roster = new Roster()
    roster.add('ann', meta('1'))
    roster.remove('ann', '1')
    expect(roster.takeDiff()).toEqual({
      joins: { ann: { metas: [meta('1')] } },
      leaves: { ann: { metas: [meta('1')] } },
    })
    expect(roster.size).toBe(0)
  })

  it('tells one that went and came back under the same name as come: clients take leaves after joins', () => {
    const roster = new Roster()
    roster.add('ann', meta('1'))
    roster.takeDiff()
    roster.remove('ann', '1')
    roster.add('ann', meta('1'))
    expect(roster.takeDiff()).toEqual({ joins: { ann: { metas: [meta('1')] } }, leaves: {} })
    roster.remove('ann', '1')
    roster.add('ann', meta('1'))
    roster.remove('ann', '1')
    expect(roster.takeDiff()).toEqual({
      joins: { ann: { metas: [meta('1')] } },
      leaves: { ann: { metas: [meta('1')] } },
    })
  })

  it('passes over what it does not know', () => {
    const roster = new Roster()
    roster.remove('ann', '1')
    expect(roster.hasChanges).toBe(false)
  })
})

/** A lobby where everyone is present, and may change what is told about them. */
function lobby(presence: () => Presence) {
  return defineChannel<null>({
    pattern: 'lobby',
    join: () => ({ state: null }),
    joined(channel) {
      presence().track(channel, channel.userId, { mood: 'new' })
      channel.push('presence_state', presence().list('lobby'))
    },
    left: (channel) => presence().untrack(channel),
    events: {
      mood: { handle: (channel, _state, mood) => presence().update(channel, { mood }) },
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
  it('pushes the state after the reply, oneself included, then diffs', async () => {
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

  it('gathers what happens within a moment into one diff', async () => {
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

  it('tells an update as a leave and a join that names what it replaces', async () => {
    const { clock, enter } = await startLobby()
    const ann = await enter('ann')
    const state = (await ann.event('presence_state'))[4] as Record<string, { metas: { phx_ref: string }[] }>
    const before = state.ann?.metas[0]?.phx_ref
    clock.advance(100)
    await ann.settled()
    await ann.call(['1', '2', 'lobby', 'mood', 'tired'])
    clock.advance(100)
    expect((await ann.event('presence_diff'))[4]).toEqual({
      joins: { ann: { metas: [{ mood: 'tired', phx_ref: expect.any(String), phx_ref_prev: before }] } },
      leaves: { ann: { metas: [{ mood: 'new', phx_ref: before }] } },
    })
  })

  it('has one meta per socket, gone when the socket is; hiding and showing twice is harmless', async () => {
    const { endpoint, clock, enter } = await startLobby()
    const [ann, tab] = [await enter('ann'), await enter('ann')]
    expect(endpoint.presence.list('lobby').ann?.metas).toHaveLength(2)
    await tab.call(['1', '2', 'lobby', 'hide', {}])
    await tab.call(['1', '3', 'lobby', 'hide', {}])
    expect(endpoint.presence.list('lobby').ann?.metas).toHaveLength(1)
    await tab.call(['1', '4', 'lobby', 'show', {}])
    await tab.call(['1', '5', 'lobby', 'show', {}])
    expect(endpoint.presence.list('lobby').ann?.metas).toHaveLength(2)
    clock.advance(100)
    await ann.settled()
    await tab.call(['1', '6', 'lobby', 'phx_leave', {}])
    clock.advance(100)
    expect((await ann.event('presence_diff'))[4]).toMatchObject({
      joins: {},
      leaves: { ann: { metas: [{}] } },
    })
  })

  it('refuses keys that are properties of every object', async () => {
    const { endpoint } = await startLobby()
    for (const key of ['__proto__', 'constructor', 'toString']) {
      expect(() => endpoint.presence.track({ topic: 'lobby' } as Channel, key, {})).toThrow(RangeError)
    }
  })

  it('is what the official client makes of it', async () => {
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
