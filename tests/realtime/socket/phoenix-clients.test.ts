import { describe, expect, it, onTestFinished } from 'vitest'
import { listen, openSocket, type PhoenixVersion, phoenixVersions, settle } from '../../support/phoenix.ts'
import { startRealtime } from '../../support/realtime-server.ts'
import { testClient } from './client-contract.ts'
import { roomChannel } from './room-channel.ts'

describe.each(Object.keys(phoenixVersions) as PhoenixVersion[])('phoenix.js %s', (version) => {
  async function start() {
    const server = await startRealtime([roomChannel()])
    const connect = (token: string, options = {}) => {
      const socket = openSocket(server.url, { version, token, ...options })
      onTestFinished(() => socket.disconnect())
      return socket
    }
    return { ...server, connect }
  }

  testClient(start)

  it('rejoins after a crash', async () => {
    const { connect } = await start()
    const channel = connect('ann', { rejoinAfterMs: () => 1 }).channel('room:a')
    const welcome = listen(channel, 'welcome')
    await settle(channel.join())
    await welcome()
    channel.push('crash', {})
    await welcome()
    expect((await settle(channel.push('echo', { back: true }))).status).toBe('ok')
  })

  it('reconnects after a close with 1001', async () => {
    const { endpoint, connect } = await start()
    const socket = connect('ann', { reconnectAfterMs: () => 1, rejoinAfterMs: () => 1 })
    const channel = socket.channel('room:a')
    const welcome = listen(channel, 'welcome')
    await settle(channel.join())
    await welcome()
    endpoint.disconnect(() => true)
    await welcome()
  })

  it('joins a topic twice without losing it', async () => {
    const { connect } = await start()
    const socket = connect('ann')
    const first = socket.channel('room:a')
    await settle(first.join())
    const second = socket.channel('room:a')
    expect((await settle(second.join())).status).toBe('ok')
    expect(await settle(second.push('echo', { x: 1 }))).toEqual({ status: 'ok', response: { x: 1 } })
  })

  it('sends and receives bytes', async () => {
    const { connect } = await start()
    const channel = connect('ann').channel('room:a')
    const bytes = listen<ArrayBuffer>(channel, 'bytes')
    await settle(channel.join())
    const answer = settle(channel.push('bytes', new Uint8Array([1, 2, 3]).buffer))
    expect(new Uint8Array(await bytes())).toEqual(new Uint8Array([1, 2, 3]))
    expect(new Uint8Array((await answer).response)).toEqual(new Uint8Array([1, 2, 3]))
  })
})

it('phoenix.js 1.8 sends its authToken in the subprotocol', async () => {
  const { url } = await startRealtime([roomChannel()])
  const socket = openSocket(url, { authToken: 'ann' })
  onTestFinished(() => socket.disconnect())
  expect((await settle(socket.channel('room:a').join())).status).toBe('ok')
})
