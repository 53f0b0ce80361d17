import type { Socket } from 'phoenix'
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest'
import { eventually } from '../../support/eventually.ts'
import { FakeXhr } from '../../support/fake-xhr.ts'
import { listen, openSocket, type PhoenixVersion, phoenixVersions, settle } from '../../support/phoenix.ts'
import { startRealtime } from '../../support/realtime-server.ts'
import { testClient } from '../socket/client-contract.ts'
import { roomChannel } from '../socket/room-channel.ts'

describe.each(Object.keys(phoenixVersions) as PhoenixVersion[])('phoenix.js %s, polling', (version) => {
  if (version !== '1.8') {
    beforeAll(() => void vi.stubGlobal('XMLHttpRequest', FakeXhr))
    afterAll(() => void vi.unstubAllGlobals())
  }

  async function start(overrides = {}) {
    const server = await startRealtime([roomChannel()], overrides)
    const connect = (token: string, options = {}): Socket => {
      const { LongPoll: transport } = phoenixVersions[version]
      const quick = { reconnectAfterMs: () => 5, rejoinAfterMs: () => 5 }
      const socket = openSocket(server.url, { version, token, transport, ...quick, ...options })
      onTestFinished(() => socket.disconnect())
      return socket
    }
    return { ...server, connect }
  }

  testClient(start)

  it('keeps the order of many pushes and their broadcasts', async () => {
    const { connect } = await start()
    const channel = connect('ann').channel('room:a')
    const nextMessage = listen(channel, 'message')
    await settle(channel.join())
    const sent = Array.from({ length: 300 }, (_, i) => ({ i }))
    // Without batches, before 1.7, each push is a request of its own, and requests overtake each other.
    for (const payload of sent) {
      const push = settle(channel.push('broadcast', payload))
      if (version === '1.6') await push
    }
    const received = []
    for (const _ of sent) received.push(await nextMessage())
    expect(received).toEqual(sent)
  })

  it('sends bytes, and receives them as base64', async () => {
    const { connect } = await start()
    const channel = connect('ann').channel('room:a')
    const bytes = listen<string>(channel, 'bytes')
    await settle(channel.join())
    const answer = settle(channel.push('bytes', new Uint8Array([1, 2, 3]).buffer))
    expect(await bytes()).toBe('AQID')
    expect((await answer).response).toBe('AQID')
  })

  it('reconnects and rejoins after its session is closed', async () => {
    const { endpoint, connect } = await start()
    const channel = connect('ann').channel('room:a')
    const welcome = listen(channel, 'welcome')
    await settle(channel.join())
    await welcome()
    endpoint.disconnect(() => true)
    await welcome()
    expect((await settle(channel.push('echo', { back: true }))).status).toBe('ok')
  })

  it('reconnects and rejoins at a server that does not know its session', async () => {
    const { endpoint, clock, connect } = await start()
    const channel = connect('ann').channel('room:a')
    const welcome = listen(channel, 'welcome')
    await settle(channel.join())
    await welcome()
    // The machine was suspended: no poll was pending or arrived for too long.
    const { fetch } = globalThis
    let wake = () => {}
    const asleep = new Promise<void>((resolve) => {
      wake = resolve
    })
    globalThis.fetch = (async (...request: Parameters<typeof fetch>) => {
      await asleep
      return fetch(...request)
    }) as typeof fetch
    onTestFinished(() => {
      globalThis.fetch = fetch
    })
    await eventually(() => {
      clock.advance(1_000)
      expect(endpoint.connectionCount).toBe(0)
    })
    wake()
    await welcome()
    expect((await settle(channel.push('echo', { back: true }))).status).toBe('ok')
  })

  it('closes when it is refused, and connects with another token', async () => {
    const { connect } = await start()
    let token = 'bad'
    const socket = connect(token, { params: () => ({ token }) })
    const errors: unknown[] = []
    socket.onError((error) => void errors.push(error))
    await eventually(() => expect(errors).not.toHaveLength(0))
    token = 'ann'
    expect((await settle(socket.channel('room:a').join())).status).toBe('ok')
  })
})

it('phoenix.js 1.8 sends its authToken in a header, and falls back to polling', async () => {
  const { url } = await startRealtime([roomChannel()])
  class NoWebSocket {
    onerror: ((error: unknown) => void) | undefined
    readyState = 0
    constructor() {
      setTimeout(() => this.onerror?.('no such thing here'))
    }
    close(): void {}
  }
  const socket = openSocket(url, {
    authToken: 'ann',
    transport: NoWebSocket,
    longPollFallbackMs: 1_000,
  } as object)
  onTestFinished(() => socket.disconnect())
  expect((await settle(socket.channel('room:a').join())).status).toBe('ok')
})
