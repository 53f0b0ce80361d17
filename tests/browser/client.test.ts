import { expect, it } from 'vitest'
import { temporaryFolder } from '../support/folder.ts'
import { startServer } from '../support/process.ts'
import { openBrowser } from './browser.ts'
import { servePage } from './client-page.ts'

/** What a tab runs: it signs in or continues the session, and offers the account to the test. */
const PAGE = `
  import { memoryStore, register, resume } from './src/client/index.ts'
  const errors = []
  addEventListener('unhandledrejection', ({ reason }) => errors.push(String(reason)))
  Object.assign(globalThis, { memoryStore, register, resume, errors })
`

it('shares a session and the outbox between two tabs, through kill -9 of the server', async () => {
  const env = { DATA_DIR: temporaryFolder() }
  const server = await startServer(env)
  const site = await servePage(PAGE)
  const first = await openBrowser(site)
  const second = await first.context().newPage()
  for (const page of [first, second]) {
    await page.goto('/')
    await page.waitForFunction('globalThis.resume !== undefined')
  }
  const { url } = server
  const start = `(async () => {
    const person = { url: ${JSON.stringify(url)}, password: 'four brave otters sing' }
    const bob = await register({ ...person, email: 'bob@example.com', store: memoryStore() })
    await bob.keys.create('a secret of his own')
    globalThis.me = await register({ ...person, email: 'ann@example.com' })
    await me.keys.create('a secret of her own')
    globalThis.chat = await me.conversations.with('bob@example.com')
    return chat.id
  })()`
  const id = await first.evaluate<string>(start)
  await second.evaluate(`(async () => {
    globalThis.me = await resume({ url: ${JSON.stringify(url)} })
    await me.keys.unlock('a secret of her own')
    globalThis.chat = await me.open(${JSON.stringify(id)})
  })()`)
  const send = (from: number) =>
    `globalThis.sent = Promise.all([0, 1, 2].map((n) => chat.send(String(${from} + n)))).then(() => 'stored')`
  for (const page of [first, second]) await page.evaluate(`void (${send(page === first ? 0 : 3)})`)
  server.child.kill('SIGKILL')
  await server.exited
  for (const page of [first, second])
    await page.evaluate(`globalThis.more = chat.send('after ${page === first ? 'one' : 'two'}'); 0`)
  await startServer({ ...env, PORT: new URL(url).port })
  for (const page of [first, second])
    expect(await page.evaluate('Promise.all([sent, more]).then(() => 1)')).toBe(1)
  const texts = 'chat.messages.map(({ body, problems }) => body.text + problems.map(({ code }) => code))'
  for (const page of [first, second]) {
    await page.waitForFunction('chat.messages.length >= 8')
    const read = await page.evaluate<string[]>(texts)
    expect([...read].sort()).toEqual(['0', '1', '2', '3', '4', '5', 'after one', 'after two'])
    expect(await page.evaluate('errors')).toEqual([])
  }
  await first.evaluate('me.onSignedOut((reason) => { globalThis.reason = reason }); 0')
  await second.evaluate('me.signOut()')
  await first.waitForFunction(`globalThis.reason === 'signed_out'`)
})
