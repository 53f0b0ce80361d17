import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { build } from 'esbuild'
import type { Page } from 'playwright-core'
import { beforeAll, expect, it, onTestFinished } from 'vitest'
import type * as Library from '../../src/client/encryption/index.ts'
import { extendHistory, importOwnKeys, openMessage } from '../../src/client/encryption/index.ts'
import { openBrowser } from './browser.ts'

/** The library in the page, a global of its script. */
declare const library: typeof Library

const ENTRY = new URL('../../src/client/encryption/index.ts', import.meta.url).pathname
const vectors = JSON.parse(readFileSync(new URL('../vectors/encryption.json', import.meta.url), 'utf8'))
const { ann, bob } = vectors.accounts
const envelope = { conversation: vectors.conversation, sender: ann.user_id }

let script: string
beforeAll(async () => {
  const bundle = await build({
    entryPoints: [ENTRY],
    bundle: true,
    format: 'iife',
    globalName: 'library',
    platform: 'browser',
    write: false,
  })
  script = bundle.outputFiles[0]!.text
})

it('unlocks keys and opens the test vectors in a browser', async () => {
  const page = await openLibrary()
  const opened = await page.evaluate(async ({ accounts, messages, invalid_messages, conversation }) => {
    const { ann, bob } = accounts
    const keys = await library.unlockKeys(bob.user_id, bob.locked, bob.secret)
    const { decryption } = await library.importOwnKeys(keys)
    const history = await library.extendHistory(ann.user_id, [], ann.history)
    const envelope = { conversation, sender: ann.user_id }
    const open = ({ shared, copy }: { shared: string; copy: string }) =>
      library.openMessage({ copy, shared, keys: decryption, envelope, history })
    const valid = messages.map(({ shared, copies }: (typeof messages)[number]) => {
      return open({ shared, copy: copies[bob.user_id] })
    })
    return { valid: await Promise.all(valid), invalid: await Promise.all(invalid_messages.map(open)) }
  }, vectors)
  expect(opened.valid).toMatchObject(
    vectors.messages.map(({ content, hash }: (typeof vectors.messages)[number]) => ({
      ok: true,
      content,
      hash,
    })),
  )
  expect(opened.invalid).toEqual(
    vectors.invalid_messages.map(({ failure }: { failure: string }) => ({ ok: false, failure })),
  )
})

it('seals a message in a browser that Node opens', async () => {
  const page = await openLibrary()
  const { content } = vectors.messages[0]
  const sealed = await page.evaluate(
    async ({ ann, bob, content }) => {
      const { signer } = await library.importOwnKeys(ann.keys)
      const history = await library.extendHistory(bob.user_id, [], bob.history)
      const recipients = new Map([[bob.user_id, history.at(-1)!.encryption_key]])
      return library.sealMessage({ content, signer, recipients })
    },
    { ann, bob, content },
  )
  const { decryption } = await importOwnKeys(bob.keys)
  const history = await extendHistory(ann.user_id, [], ann.history)
  const copy = sealed.copies[bob.user_id]!
  const opened = await openMessage({ copy, shared: sealed.shared, keys: decryption, envelope, history })
  expect(opened).toMatchObject({ ok: true, content, hash: sealed.hash })
})

it('encrypts and decrypts a file from the disk of a browser as a stream', async () => {
  const page = await openLibrary()
  const size = 200_000
  const sizes = await page.evaluate(async (size) => {
    const file = new File([new Uint8Array(size).fill(7)], 'seven.bin')
    const cipher = await library.FileCipher.open(library.generateFileKey(size))
    const hashes: string[] = []
    const encrypted: Library.Bytes[] = []
    for await (const chunk of library.encryptFile(cipher, file.stream(), hashes)) encrypted.push(chunk)
    const digest = await library.digestOfHashes(hashes)
    const stream = new Blob(encrypted).stream()
    const decrypted: Uint8Array[] = []
    for await (const chunk of library.decryptFile(cipher, stream, digest)) decrypted.push(chunk)
    return {
      encrypted: new Blob(encrypted).size,
      sevens: decrypted.reduce((sum, part) => sum + part.filter((byte) => byte === 7).length, 0),
    }
  }, size)
  expect(sizes).toEqual({ encrypted: size + 4 * 16, sevens: size })
})

/** A page of a server that serves nothing but the library. */
async function openLibrary(): Promise<Page> {
  const server = createServer(({ url }, response) => {
    const isScript = url === '/library.js'
    response.setHeader('content-type', isScript ? 'text/javascript' : 'text/html')
    response.end(
      isScript ? script : '<!doctype html><link rel="icon" href="data:,"><script src="/library.js"></script>',
    )
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const page = await openBrowser({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` })
  await page.goto('/')
  return page
}
