import { expect, it } from 'vitest'
import { startApp } from '../support/app.ts'
import { eventually } from '../support/eventually.ts'
import { TamperingProxy } from '../support/tampering-proxy.ts'
import { collectTexts, PASSPHRASE, registerKeyed } from './support/clients.ts'
import { textsOf } from './support/malicious-server.ts'

it('opens a conversation once the keys of its members can be read', async () => {
  const { app, proxy } = await start()
  const [ann, bob] = await Promise.all([registerKeyed(app, 'ann'), registerKeyed(proxy, 'bob')])
  const hers = await ann.conversations.with(bob.user.id)
  await hers.send('first')
  // More than one for each step of opening it.
  failKeyQueries(proxy, 3)
  const his = await bob.open(hers.id)
  expect(textsOf(his.messages)).toEqual(['first'])
})

it('receives a message whose key it could not read at first, before those that came later', async () => {
  const { app, proxy } = await start()
  const [ann, bob] = await Promise.all([registerKeyed(app, 'ann'), registerKeyed(proxy, 'bob')])
  const hers = await ann.conversations.with(bob.user.id)
  const his = await bob.open(hers.id)
  const received = collectTexts(his)
  await hers.send('first')
  await eventually(() => expect(received).toEqual(['first']))
  failKeyQueries(proxy)
  const failed = his.once('notice', ({ code }) => code === 'failed')
  await ann.keys.rotate(PASSPHRASE)
  for (const text of ['second', 'third']) await hers.send(text)
  await failed
  expect(received).toEqual(['first'])
  proxy.tampering = {}
  await eventually(() => expect(received).toEqual(['first', 'second', 'third']))
  expect(his.messages.flatMap(({ problems }) => problems)).toEqual([])
})

async function start() {
  const app = await startApp()
  return { app, proxy: await TamperingProxy.start(app.url) }
}

/** Lets the next requests for keys fail. */
function failKeyQueries(proxy: TamperingProxy, times = Number.POSITIVE_INFINITY): void {
  let failures = 0
  proxy.tampering = { fails: (path) => path === '/api/keys/query' && ++failures <= times }
}
