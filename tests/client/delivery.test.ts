import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { expect, it, onTestFinished } from 'vitest'
import { memoryStore } from '../../src/client/stores/memory.ts'
import { fileStore } from '../../src/client-node/file-store.ts'
import { startApp } from '../support/app.ts'
import { eventually } from '../support/eventually.ts'
import { temporaryFolder } from '../support/folder.ts'
import { startServer } from '../support/process.ts'
import { collectTexts, PASSPHRASE, registerClient, registerKeyed, resumeClient } from './support/clients.ts'

const CLIENT = fileURLToPath(new URL('../../dist/client-node/index.js', import.meta.url))

it('delivers what was sent and missed while the server was away, once and in order', async () => {
  const app = await startApp()
  const [ann, bob] = await Promise.all([registerClient(app, 'ann'), registerClient(app, 'bob')])
  const hers = await ann.conversations.with('bob@example.com')
  const his = await bob.open(hers.id)
  const texts = collectTexts(his)
  await hers.send('before')
  await app.close()
  const sent = [hers.send('one'), hers.send('two'), his.send('three')]
  await eventually(() => expect(ann.connection).toBe('connecting'))
  expect(await hers.pending()).toHaveLength(2)
  await app.restart()
  await Promise.all(sent)
  await hers.send('after')
  await eventually(() => expect(texts).toContain('after'))
  expect(texts.filter((text) => text !== 'three')).toEqual(['before', 'one', 'two', 'after'])
  expect(hers.messages.map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5])
})

it('reads what it missed, and starts anew when that is too much', async () => {
  const app = await startApp()
  const store = memoryStore()
  const [ann, bob] = await Promise.all([registerClient(app, 'ann'), registerClient(app, 'bob', store)])
  const hers = await ann.conversations.with('bob@example.com')
  await (await bob.open(hers.id)).send('Hello')
  await bob.close()
  await hers.send('missed')
  const again = await resumeClient(app, store)
  const his = await again.open(hers.id)
  expect(his.messages.map(({ body }) => body.text)).toEqual(['Hello', 'missed'])
})

it('sends from two tabs with one store, each message once', async () => {
  const app = await startApp()
  const store = memoryStore()
  const first = await registerClient(app, 'ann', store)
  const bob = await registerClient(app, 'bob')
  const second = await resumeClient(app, store)
  const chat = await first.conversations.with('bob@example.com')
  const same = await second.open(chat.id)
  const his = await bob.open(chat.id)
  const texts = collectTexts(his)
  const expected = Array.from({ length: 20 }, (_, index) => `message ${index}`)
  await Promise.all(expected.map((text, index) => (index % 2 ? same : chat).send(text)))
  await eventually(() => expect(texts).toHaveLength(20))
  expect([...texts].sort()).toEqual([...expected].sort())
})

it('rejects what the server rejects for good, and goes on with the rest', async () => {
  const app = await startApp()
  const [ann, bob] = await Promise.all(['ann', 'bob', 'carol'].map((name) => registerClient(app, name)))
  const hers = await ann!.conversations.startGroup(['bob@example.com', 'carol@example.com'])
  const his = await bob!.open(hers.id)
  await hers.send('Hello')
  await eventually(() => expect(his.messages).toHaveLength(1))
  const rejected = expect(his.edit(his.messages[0]!, 'Not mine')).rejects.toMatchObject({
    code: 'not_sender',
  })
  await his.send('Mine')
  await rejected
  await his.leave()
  await expect(his.send('Too late')).rejects.toMatchObject({ name: 'RejectedError' })
  expect(await his.pending()).toEqual([])
})

it('survives kill -9 of the server and of the client', async () => {
  const env = { DATA_DIR: temporaryFolder() }
  const server = await startServer(env)
  const port = new URL(server.url).port
  const folder = temporaryFolder()
  const bob = await registerKeyed(server, 'bob')
  const ann = await registerKeyed(server, 'ann', await fileStore(folder))
  const hers = await ann.conversations.with('bob@example.com')
  await hers.send('first')
  await ann.close()

  // Ann's process sends while the server is dead, and is killed as soon as the messages are stored.
  server.child.kill('SIGKILL')
  await server.exited
  const child = spawn(
    process.execPath,
    ['--input-type=module', '--eval', SENDER, CLIENT, server.url, folder, hers.id, PASSPHRASE],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  onTestFinished(() => void child.kill('SIGKILL'))
  const restarted = await startServer({ ...env, PORT: port })
  await once(child.stdout, 'data')
  restarted.child.kill('SIGKILL')
  child.kill('SIGKILL')
  await Promise.all([once(child, 'close'), restarted.exited])

  await startServer({ ...env, PORT: port })
  const his = await bob.open(hers.id)
  const again = await resumeKeyed()
  await eventually(async () => expect(await again.pending()).toEqual([]))
  await again.send('last')
  await eventually(() => expect(his.messages.at(-1)?.body.text).toBe('last'))
  expect(his.messages.map(({ body }) => body.text)).toEqual(['first', 'a', 'b', 'c', 'last'])
  expect(his.messages.flatMap(({ problems }) => problems)).toEqual([])

  async function resumeKeyed() {
    const { resume } = await import('../../src/client-node/index.ts')
    const account = (await resume({ url: server.url, store: await fileStore(folder) }))!
    onTestFinished(() => account.close())
    await account.keys.unlock(PASSPHRASE)
    return account.open(hers.id)
  }
})

/** Sends three messages, and says so once the first is stored by the server. */
const SENDER = `
  const [, client, url, folder, id, passphrase] = process.argv
  const { resume, fileStore } = await import(client)
  const me = await resume({ url, store: await fileStore(folder) })
  for (;;) {
    try { await me.keys.unlock(passphrase); break } catch {}
  }
  const chat = me.conversations.get(id)
  const sent = ['a', 'b', 'c'].map((text) => chat.send(text))
  sent[0].then(() => console.log('stored'))
  for (const one of sent) one.catch(() => {})
`
