import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { expect, it, onTestFinished } from 'vitest'
import { fileStore } from '../../src/client-node/file-store.ts'
import { temporaryFolder } from '../support/folder.ts'

const CLIENT = fileURLToPath(new URL('../../dist/client-node/index.js', import.meta.url))

it('keeps values for the next process, readable by their owner only', async () => {
  const folder = temporaryFolder()
  const store = await fileStore(folder)
  await store.update('outbox/ä/2', () => ({ text: 'second' }))
  await store.update('outbox/ä/1', () => ({ text: 'first' }))
  await store.update('removed', () => 1)
  await store.update('removed', () => undefined)
  await store.close()
  const again = await openStore(folder)
  expect(await again.list('outbox/')).toEqual([
    { key: 'outbox/ä/1', value: { text: 'first' } },
    { key: 'outbox/ä/2', value: { text: 'second' } },
  ])
  expect(await again.get('removed')).toBeUndefined()
  for (const name of readdirSync(folder)) expect(statSync(join(folder, name)).mode & 0o077).toBe(0)
})

it('applies changes of one value one after the other', async () => {
  const store = await openStore(temporaryFolder())
  await Promise.all(Array.from({ length: 20 }, () => store.update('count', (n) => Number(n ?? 0) + 1)))
  expect(await store.get('count')).toBe(20)
})

it('writes nothing after it was closed, and can be opened once in a process', async () => {
  const folder = temporaryFolder()
  const store = await fileStore(folder)
  await expect(fileStore(folder)).rejects.toThrow('already open')
  const written = store.update('name', () => 'last')
  await store.close()
  await written.catch(() => {})
  await expect(store.update('name', () => 'later')).rejects.toThrow('closed')
  expect(await (await openStore(folder)).get('name')).not.toBe('later')
})

it('ignores a file that was not completely written, and names one that was damaged later', async () => {
  const folder = temporaryFolder()
  const store = await fileStore(folder)
  await store.update('name', () => 'Ann')
  await store.close()
  const [name] = readdirSync(folder)
  const path = join(folder, name!)
  writeFileSync(`${path}.new`, '"Bo')
  const again = await fileStore(folder)
  expect(await again.get('name')).toBe('Ann')
  await again.close()
  const text = readFileSync(path, 'utf8')
  truncateSync(path, 2)
  await expect(fileStore(folder)).rejects.toThrow(path)
  writeFileSync(path, text)
  expect(await (await openStore(folder)).get('name')).toBe('Ann')
})

it('refuses a folder that another process uses, until that one is killed', async () => {
  const folder = temporaryFolder()
  const { child, lines } = startWriter(folder)
  await lines.next()
  await expect(fileStore(folder)).rejects.toThrow(`Process ${child.pid} uses the folder`)
  await kill(child)
  await openStore(folder)
})

it('has every value whole after the process is killed while it writes', async () => {
  const folder = temporaryFolder()
  const { child, lines } = startWriter(folder)
  let stored = 0
  while (stored < 10) stored = Number((await lines.next()).value)
  await kill(child)
  for await (const line of lines) stored = Number(line)
  const value = (await (await openStore(folder)).get('value')) as { number: number; text: string }
  expect(value.number).toBeGreaterThanOrEqual(stored)
  expect(value.text).toBe(`${value.number} `.repeat(50_000))
})

/** Opens a store that is closed when the test has finished. */
async function openStore(folder: string) {
  const store = await fileStore(folder)
  onTestFinished(() => store.close())
  return store
}

/** Starts a process that writes one value again and again, and prints its number each time it is stored. */
function startWriter(folder: string) {
  const child = spawn(process.execPath, ['--input-type=module', '--eval', WRITER, CLIENT, folder], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  return { child, lines: createInterface(child.stdout)[Symbol.asyncIterator]() }
}

async function kill(child: ChildProcess): Promise<void> {
  child.kill('SIGKILL')
  await once(child, 'exit')
}

const WRITER = `
  const [, client, folder] = process.argv
  const { fileStore } = await import(client)
  const store = await fileStore(folder)
  for (let number = 1; ; number++) {
    await store.update('value', () => ({ number, text: (number + ' ').repeat(50_000) }))
    console.log(number)
  }
`
