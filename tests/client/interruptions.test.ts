import { expect, it, onTestFinished, vi } from 'vitest'
import { WebSocket } from 'ws'
import { Account } from '../../src/client/account.ts'
import type { Message } from '../../src/client/conversations/message.ts'
import { register } from '../../src/client/session/sign-in.ts'
import { memoryStore } from '../../src/client/stores/memory.ts'
import { PASSWORD, startApp } from '../support/app.ts'
import { eventually } from '../support/eventually.ts'
import { FaultProxy } from '../support/fault-proxy.ts'
import { collectTexts, registerClient, registerKeyed, resumeClient, signInClient } from './support/clients.ts'
import { plainCodec } from './support/plain-codec.ts'

const HOUR = 60 * 60_000

it('starts anew when it missed more than 500 changes, and reads the others with the history', async () => {
  const app = await startApp()
  const network = await startNetwork(app)
  const [ann, bob] = await Promise.all([registerKeyed(app, 'ann'), registerKeyed(network, 'bob')])
  const hers = await ann.conversations.with(bob.user.id)
  const his = await bob.open(hers.id)
  await hers.send('first')
  await eventually(() => expect(his.messages).toHaveLength(1))
  await network.disconnect()
  const sent = Array.from({ length: 501 }, (_, index) => `message ${index}`)
  await Promise.all(sent.map((text) => hers.send(text)))
  const received = collectTexts(his)
  const reset = his.once('reset')
  await network.connect()
  const newest = await reset
  expect(textsOf(newest)).toEqual(sent.slice(-newest.length))
  expect(newest.flatMap(({ problems }) => problems)).toEqual([])
  expect(his.unread).toBe(502)
  await hers.send('live')
  await eventually(() => expect(received).toEqual(['live']))
  const all: Message[] = []
  for await (const message of his.history()) all.unshift(message)
  expect(textsOf(all)).toEqual(['first', ...sent, 'live'])
  expect(all.flatMap(({ problems }) => problems)).toEqual([])
})

it('remembers a message that it received right before it was closed', async () => {
  const app = await startApp()
  const store = memoryStore()
  const [ann, bob] = await Promise.all([registerKeyed(app, 'ann'), registerKeyed(app, 'bob', store)])
  const hers = await ann.conversations.with(bob.user.id)
  const his = await bob.open(hers.id)
  const received = his.once('message')
  await hers.send('Hello')
  const { id } = await received
  await bob.close()
  const memory = await store.get(`${bob.user.id}/memory/${hers.id}`)
  expect(memory).toMatchObject({ revisions: { [id]: { revision: 0 } } })
})

it.each([
  ['is refused', 'error'],
  ['never opens', 'nothing'],
])('talks by long polling where a WebSocket %s', async (_title, event) => {
  const app = await startApp()
  const opened = await register({
    url: app.url,
    email: 'ann@example.com',
    password: PASSWORD,
    store: memoryStore(),
  })
  const ann = new Account({ ...opened, transport: blockedWebSocket(event), codec: plainCodec() })
  onTestFinished(() => ann.close())
  const bob = await registerClient(app, 'bob')
  const hers = await ann.conversations.with('bob@example.com')
  const his = await bob.open(hers.id)
  await hers.send('Hello')
  await eventually(() => expect(textsOf(his.messages)).toEqual(['Hello']))
  await his.send('Hello back')
  await eventually(() => expect(textsOf(hers.messages)).toEqual(['Hello', 'Hello back']))
})

it('keeps what waits when the session is revoked, and sends it after the next sign-in', async () => {
  const app = await startApp()
  const network = await startNetwork(app)
  const store = memoryStore()
  const [ann, bob] = await Promise.all([registerClient(network, 'ann', store), registerClient(app, 'bob')])
  const hers = await ann.conversations.with('bob@example.com')
  const his = await bob.open(hers.id)
  const received = collectTexts(his)
  await network.disconnect()
  const lost = ['one', 'two'].map((text) =>
    expect(hers.send(text)).rejects.toMatchObject({ code: 'revoked' }),
  )
  await eventually(async () => expect(await hers.pending()).toHaveLength(2))
  const { body } = await app.request('POST', '/auth/login', {
    body: { email: 'ann@example.com', password: PASSWORD },
  })
  await app.request('POST', '/api/signout_all', { token: body.auth_token })
  await network.connect()
  await Promise.all(lost)
  expect(await hers.pending()).toHaveLength(2)
  await ann.close()
  const again = await signInClient(app, 'ann', store)
  await (await again.open(hers.id)).send('three')
  await eventually(() => expect(received).toEqual(['one', 'two', 'three']))
})

it.each([-1, 1])('talks with a clock that is %i hours wrong, and in order when it is set', async (hours) => {
  const app = await startApp()
  const network = await startNetwork(app)
  const store = memoryStore()
  vi.useFakeTimers({ now: Date.now() + hours * HOUR, toFake: ['Date'] })
  onTestFinished(() => void vi.useRealTimers())
  const [ann, bob] = await Promise.all([registerClient(network, 'ann', store), registerClient(app, 'bob')])
  const hers = await ann.conversations.with('bob@example.com')
  const his = await bob.open(hers.id)
  await hers.send('with a wrong clock')
  await network.disconnect()
  hers.send('before it was set').catch(() => {})
  await eventually(async () => expect(await hers.pending()).toHaveLength(1))
  await ann.close()
  vi.useRealTimers()
  const again = (await resumeClient(network, store)).conversations.get(hers.id)
  const sent = again.send('after it was set')
  await eventually(async () => expect(await again.pending()).toHaveLength(2))
  await network.connect()
  await sent
  await eventually(() =>
    expect(textsOf(his.messages)).toEqual(['with a wrong clock', 'before it was set', 'after it was set']),
  )
})

it('sends what waits to the members at the time it is sent', async () => {
  const app = await startApp()
  const network = await startNetwork(app)
  const ann = await registerKeyed(network, 'ann')
  const [bob, carol, dan] = await Promise.all(['bob', 'carol', 'dan'].map((name) => registerKeyed(app, name)))
  const hers = await ann.conversations.startGroup([bob!.user.id, dan!.user.id])
  await hers.send('before')
  const [his, dans] = await Promise.all([bob!.open(hers.id), dan!.open(hers.id)])
  await network.disconnect()
  const sent = Promise.all(['one', 'two', 'three'].map((text) => hers.send(text)))
  await eventually(async () => expect(await hers.pending()).toHaveLength(3))
  await his.addMembers([carol!.user.id])
  await dans.leave()
  await network.connect()
  await sent
  const carols = await carol!.open(hers.id)
  await eventually(() => expect(textsOf(carols.messages)).toEqual(['one', 'two', 'three']))
  expect(carols.messages.map(({ verified }) => verified)).toEqual(['signed', 'signed', 'signed'])
  await eventually(() => expect(textsOf(his.messages)).toEqual(['before', 'one', 'two', 'three']))
  expect(his.messages.flatMap(({ problems }) => problems)).toEqual([])
  expect(textsOf(dans.messages)).toEqual(['before'])
})

function textsOf(messages: Message[]) {
  return messages.map(({ body }) => body.text)
}

/** A way to the server that can be interrupted. */
async function startNetwork({ url }: { url: string }) {
  const proxy = await FaultProxy.start(url)
  const { port } = proxy
  onTestFinished(() => proxy.close())
  return { url: proxy.url, disconnect: () => proxy.close(), connect: () => proxy.listen(port) }
}

/** A WebSocket of a network that lets none through: it fails, or nothing ever happens. */
function blockedWebSocket(event: string) {
  return class {
    static readonly CONNECTING = WebSocket.CONNECTING
    readyState: number = WebSocket.CONNECTING
    onerror: ((error: Error) => void) | undefined
    onclose: ((event: object) => void) | undefined

    constructor() {
      if (event === 'nothing') return
      queueMicrotask(() => {
        this.readyState = WebSocket.CLOSED
        this.onerror?.(new Error('refused'))
        this.onclose?.({ code: 1006 })
      })
    }

    close(): void {
      this.readyState = WebSocket.CLOSED
    }
  }
}
