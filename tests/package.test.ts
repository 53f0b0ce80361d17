import { execFile, spawn } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Presence } from 'phoenix'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { WebSocket } from 'ws'
import { register } from '../src/client/index.ts'
import { PASSWORD, startApp } from './support/app.ts'
import { freePort } from './support/free-port.ts'
import { listen, openSocket, settle } from './support/phoenix.ts'

const run = promisify(execFile)
const modules = join(process.cwd(), 'node_modules')
const compiler = join(modules, 'typescript', 'bin', 'tsc')

/** The code block with which docs/client.md begins. */
const [firstMessage] = codeBlocks('docs/client.md') as [string]

/** The code blocks with which docs/channels.md begins: a server, and a client. */
const [serverCode, clientCode] = codeBlocks('docs/channels.md') as [string, string]

describe('the packed package', () => {
  const work = mkdtempSync(join(tmpdir(), 'parley-package-'))
  let tarball: Tarball
  let project: string

  beforeAll(async () => {
    tarball = await pack(join(work, 'checkout'))
    project = join(work, 'project')
    await install(tarball.path, project)
  })
  afterAll(() => rmSync(work, { recursive: true, force: true }))

  it('contains the channel server, the client and their types, and nothing else of the chat', () => {
    const folders = new Set(tarball.files.map((path) => path.split('/').slice(0, 3).join('/')))
    expect([...folders].sort()).toEqual([
      'LICENSE',
      'README.md',
      'dist/package/account-keys',
      'dist/package/client',
      'dist/package/client-node',
      'dist/package/clock.d.ts',
      'dist/package/clock.js',
      'dist/package/contract.d.ts',
      'dist/package/media-formats.d.ts',
      'dist/package/protocol',
      'dist/package/realtime',
      'dist/package/running-process.d.ts',
      'dist/package/running-process.js',
      'dist/package/schemas',
      'dist/package/sync-folder.d.ts',
      'dist/package/sync-folder.js',
      'docs/channels.md',
      'docs/client.md',
      'docs/encryption.md',
      'package.json',
    ])
    const schemas = tarball.files.filter((path) => path.startsWith('dist/package/schemas/'))
    expect(schemas.filter((path) => !path.endsWith('.d.ts'))).toEqual([])
  })

  it('depends on what the channel server, the client and its types need', () => {
    const manifest = JSON.parse(readFileSync(join(project, 'node_modules/parley/package.json'), 'utf8'))
    expect(Object.keys(manifest.dependencies)).toEqual(['jose', 'phoenix', 'typebox', 'ws'])
    expect(manifest).not.toHaveProperty('devDependencies')
    expect(manifest).not.toHaveProperty('scripts')
  })

  it('runs the server and the client of docs/channels.md', async () => {
    const port = await startExample(project)
    const client = join(project, 'client.js')
    writeFileSync(client, clientCode.replace('localhost:4000', `localhost:${port}`))
    const node = spawn(process.execPath, [client], { stdio: ['ignore', 'pipe', 'inherit'] })
    onTestFinished(() => void node.kill())
    const lines = new Set<string>()
    for await (const chunk of node.stdout) {
      for (const line of String(chunk).trim().split('\n')) lines.add(line)
      if (lines.size === 4) break
    }
    expect([...lines].sort()).toEqual(['Welcome to lobby', 'ann says Hello!', 'online: ann', 'sent to lobby'])
  })

  it('serves the official client: join, push, reply, broadcast, presence, and other requests', async () => {
    const port = await startExample(project)
    const [ann, bob] = ['token-of-ann', 'token-of-bob'].map((token) => {
      const socket = openSocket(`ws://localhost:${port}/socket`, { token })
      onTestFinished(() => socket.disconnect())
      return socket
    }) as [ReturnType<typeof openSocket>, ReturnType<typeof openSocket>]
    const [hers, his] = [ann.channel('room:lobby'), bob.channel('room:lobby')]
    expect(await settle(hers.join())).toEqual({ status: 'ok', response: { topic: 'Welcome to lobby' } })
    const everyone = new Promise<void>((resolve) => {
      const presence = new Presence(his)
      presence.onSync(() => {
        if (new Set(presence.list((id) => id)).size === 2) resolve()
      })
    })
    await settle(his.join())
    await everyone
    const heard = listen(his, 'new_msg')
    const reply = await settle(hers.push('new_msg', { text: 'hi' }))
    expect(reply).toEqual({ status: 'ok', response: { room: 'lobby' } })
    expect(await heard()).toEqual({ from: 'ann', message: { text: 'hi' } })
    const refused = await settle(bob.channel('room:staff').join())
    expect(refused).toEqual({ status: 'error', response: { reason: 'unauthorized' } })
    expect(await fetch(`http://localhost:${port}/`).then((response) => response.text())).toBe(
      'Hello over HTTP',
    )
  })

  it('runs the first lines of docs/client.md, which send an encrypted message', async () => {
    const app = await startApp()
    const person = { password: PASSWORD, transport: WebSocket, url: app.url }
    const [ann, bob] = await Promise.all([
      register({ ...person, email: 'ann@example.com', name: 'Ann' }),
      register({ ...person, email: 'bob@example.com', name: 'Bob' }),
    ])
    onTestFinished(async () => void (await Promise.all([ann.close(), bob.close()])))
    await Promise.all([ann.keys.create('a secret of your own'), bob.keys.create('a secret of your own')])
    const client = join(project, 'first-message.js')
    writeFileSync(
      client,
      `${firstMessage.replace('http://localhost:4000', app.url)}
if (chat.messages.length === 0) await chat.once('message')
await me.close()`,
    )
    const { stdout } = await run(process.execPath, [client])
    expect(stdout).toBe('Ann Hello verified\n')
    const chat = await bob.conversations.with('ann@example.com')
    expect(chat.messages).toMatchObject([{ body: { text: 'Hello' }, verified: 'signed' }])
  })

  it('has types with which all TypeScript of docs/client.md compiles in Node and in browsers', async () => {
    const folder = join(project, 'client')
    mkdirSync(folder)
    const [first, ...others] = codeBlocks('docs/client.md', 'ts')
    writeFileSync(join(folder, 'first.ts'), first!)
    const head = `import type { Account } from 'parley/client'\ndeclare const me: Account\ndeclare const userId: string\n`
    others.forEach((block, index) => void writeFileSync(join(folder, `block-${index}.ts`), head + block))
    const node = { module: 'nodenext', types: ['node'], lib: ['es2023'] }
    const browser = {
      module: 'esnext',
      moduleResolution: 'bundler',
      types: [],
      lib: ['es2023', 'dom', 'dom.iterable'],
    }
    for (const environment of [node, browser]) {
      const compilerOptions = { strict: true, target: 'es2023', noEmit: true, ...environment }
      writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['*.ts'] }))
      const { stdout } = await run(process.execPath, [compiler, '-p', folder]).catch((error) => error)
      expect(stdout).toBe('')
    }
  })

  it('has types with which all TypeScript of docs/channels.md compiles', async () => {
    const blocks = codeBlocks('docs/channels.md', 'ts')
    expect(blocks.length).toBeGreaterThan(5)
    blocks.forEach((block, index) => void writeFileSync(join(project, `block-${index}.ts`), block))
    writeFileSync(join(project, 'server.ts'), serverCode)
    const options = { strict: true, module: 'nodenext', target: 'es2023', types: ['node'], noEmit: true }
    writeFileSync(
      join(project, 'tsconfig.json'),
      JSON.stringify({ compilerOptions: options, include: ['*.ts'] }),
    )
    const { stdout } = await run(process.execPath, [compiler, '-p', project]).catch((error) => error)
    expect(stdout).toBe('')
  })
})

it('the examples are those of docs/channels.md', () => {
  expect(readFileSync('scripts/examples/channel-server.ts', 'utf8')).toBe(serverCode)
  expect(readFileSync('scripts/examples/channel-client.js', 'utf8')).toBe(clientCode)
})

interface Tarball {
  path: string
  files: string[]
}

/** Packs a copy of this project: packing changes its package.json for a moment. */
async function pack(folder: string): Promise<Tarball> {
  for (const path of ['package.json', 'tsconfig.json', 'tsconfig.package.json', 'README.md', 'LICENSE']) {
    cpSync(path, join(folder, path))
  }
  for (const path of ['src', 'scripts', 'docs']) cpSync(path, join(folder, path), { recursive: true })
  symlinkSync(modules, join(folder, 'node_modules'))
  const before = readFileSync('package.json', 'utf8')
  const { stdout } = await run('npm', ['pack', '--json', '--offline'], { cwd: folder })
  expect(readFileSync(join(folder, 'package.json'), 'utf8')).toBe(before)
  const [packed] = Object.values(JSON.parse(stdout)) as { filename: string; files: { path: string }[] }[]
  return { path: join(folder, packed!.filename), files: packed!.files.map(({ path }) => path) }
}

/** Unpacks the package into a new project, beside its dependencies and those of the examples. */
async function install(tarball: string, project: string): Promise<void> {
  const target = join(project, 'node_modules', 'parley')
  mkdirSync(target, { recursive: true })
  await run('tar', ['-xzf', tarball, '-C', target, '--strip-components=1'])
  mkdirSync(join(project, 'node_modules', '@types'))
  for (const name of ['ws', 'phoenix', 'jose', '@types/node', 'undici-types', 'typebox']) {
    symlinkSync(join(modules, name), join(project, 'node_modules', name))
  }
  writeFileSync(join(project, 'package.json'), JSON.stringify({ type: 'module' }))
}

/** Starts the server of docs/channels.md. @returns its port. */
async function startExample(project: string): Promise<number> {
  const port = await freePort()
  const file = join(project, `server-${port}.js`)
  writeFileSync(file, serverCode.replaceAll('4000', `${port}`))
  const server = spawn(process.execPath, [file], { stdio: ['ignore', 'pipe', 'inherit'] })
  onTestFinished(() => void server.kill())
  for await (const chunk of server.stdout) if (String(chunk).startsWith('Listening')) break
  return port
}

/** The code blocks of a page. @param language default: any. */
function codeBlocks(path: string, language = 'js|ts'): string[] {
  const blocks = readFileSync(path, 'utf8').matchAll(
    new RegExp(`^\`\`\`(?:${language})\\n([\\s\\S]*?)^\`\`\`$`, 'gm'),
  )
  return [...blocks].map(([, code]) => code!)
}
