import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { describe, expect, it, onTestFinished } from 'vitest'
import { PASSWORD, startApp, startNodes } from '../../support/app.ts'
import {
  AttachmentClient,
  attachmentFiles,
  beginPatch,
  CIPHERTEXT,
  groupWithAttachments,
  startWithAttachments,
} from '../../support/attachments.ts'
import { push } from '../../support/conversations.ts'
import { dataFolder } from '../../support/data-folder.ts'
import { createTestDatabase } from '../../support/database.ts'
import { eventually } from '../../support/eventually.ts'
import { temporaryFolder } from '../../support/folder.ts'
import { openSocket, settle } from '../../support/phoenix.ts'
import { type ServerProcess, startServer } from '../../support/process.ts'

const start = (env: Record<string, string> = {}) =>
  startWithAttachments((paths) => startApp({ ...paths, ...env }))

const MIB = 1_048_576

/** Ann's upload, of which a request that goes on has sent the first 1,000 bytes. */
async function interrupted(env?: Record<string, string>) {
  const found = await start(env)
  const location = await found.clients.ann.begin(found.id, CIPHERTEXT.length)
  const patch = await beginPatch(found.app, found.ann, { location, offset: 0, length: CIPHERTEXT.length })
  patch.socket.write(CIPHERTEXT.subarray(0, 1_000))
  await eventually(() => expect(found.storedBytes()).toBe(1_000))
  return { ...found, location, ...patch }
}

describe('an upload whose connection is lost', () => {
  it('goes on after the last byte that arrived', async () => {
    const { clients, location, socket } = await interrupted()
    socket.write(CIPHERTEXT.subarray(1_000, 100_000), () => socket.destroySoon())
    await eventually(async () => expect(await clients.ann.offset(location)).toBe(100_000))
    expect((await clients.ann.patch(location, 100_000, CIPHERTEXT.subarray(100_000))).status).toBe(204)
    const found = await clients.ann.request('GET', location)
    expect(Buffer.from(await found.arrayBuffer()).equals(CIPHERTEXT)).toBe(true)
  })

  it('is no failure of the server', async () => {
    const { app, clients, location, socket } = await interrupted()
    socket.destroy()
    await eventually(async () =>
      expect((await clients.ann.patch(location, 1_000, CIPHERTEXT.subarray(1_000))).status).toBe(204),
    )
    expect(app.logs.filter((line) => JSON.parse(line).level >= 50)).toEqual([])
  })

  it('ends when no bytes arrive for two renewals of its hold', async () => {
    const { app, clients, location, socket } = await interrupted()
    app.clock.advance(10_000)
    await eventually(async () => expect(await clients.ann.offset(location)).toBe(1_000))
    expect(socket.destroyed).toBe(false)
    app.clock.advance(10_000)
    await once(socket, 'close')
    await eventually(async () =>
      expect((await clients.ann.patch(location, 1_000, CIPHERTEXT.subarray(1_000))).status).toBe(204),
    )
  })
})

describe('an upload that a request writes', () => {
  it('can be neither written by another one nor deleted', async () => {
    const { clients, location, socket, answered } = await interrupted()
    const refused = await clients.ann.patch(location, 0, CIPHERTEXT)
    expect([refused.status, Number(refused.headers.get('retry-after'))]).toEqual([423, 30])
    expect((await clients.ann.request('DELETE', location)).status).toBe(423)
    socket.write(CIPHERTEXT.subarray(1_000))
    expect(await answered).toMatch(/^HTTP\/1.1 204 /)
    expect(await clients.ann.status(location)).toBe(200)
  })

  it('cannot be bound before it is complete', async () => {
    const { send, location, socket, answered } = await interrupted()
    const id = location.split('/').at(-1) as string
    expect((await send([id])).response).toBe('no_attachment')
    socket.write(CIPHERTEXT.subarray(1_000))
    await answered
    expect((await send([id])).status).toBe('ok')
  })

  it('is refused and leaves nothing when its conversation is deleted', async () => {
    const { ann, bob, annChannel, bobChannel, files, socket, answered } = await interrupted()
    await push(ann, annChannel, 'leave_conversation')
    await push(bob, bobChannel, 'leave_conversation')
    socket.write(CIPHERTEXT.subarray(1_000))
    expect(await answered).toMatch(/^HTTP\/1.1 404 /)
    await eventually(() => expect(files()).toEqual([]))
  })

  it('is rejected while eight others of its user are in progress', async () => {
    const { app, id, ann, clients, files } = await start()
    for (let count = 1; count <= 8; count++) {
      const location = await clients.ann.begin(id, 10)
      const { socket } = await beginPatch(app, ann, { location, offset: 0, length: 10 })
      socket.write('x')
      await eventually(() => expect(files()).toHaveLength(count))
    }
    const ninth = await clients.ann.begin(id, 10)
    expect((await clients.ann.patch(ninth, 0, new Uint8Array(10))).status).toBe(429)
    const bobs = await clients.bob.begin(id, 10)
    expect((await clients.bob.patch(bobs, 0, new Uint8Array(10))).status).toBe(204)
  })
})

describe('an upload to several nodes', () => {
  it('goes on at any of them, and is downloaded from any', async () => {
    const dataDir = temporaryFolder()
    const [first, second] = await startNodes(2, { DATA_DIR: dataDir })
    const { id, ann, bob, send } = await groupWithAttachments(first!)
    const [here, there] = [new AttachmentClient(first!, ann), new AttachmentClient(second!, ann)]
    const location = await here.begin(id, CIPHERTEXT.length)
    await here.patch(location, 0, CIPHERTEXT.subarray(0, 100_000))
    expect(await there.offset(location)).toBe(100_000)
    await there.patch(location, 100_000, CIPHERTEXT.subarray(100_000, 200_000))
    await here.patch(location, 200_000, CIPHERTEXT.subarray(200_000))
    await send([location.split('/').at(-1) as string])
    for (const node of [first!, second!]) {
      const found = await new AttachmentClient(node, bob).request('GET', location)
      expect(Buffer.from(await found.arrayBuffer()).equals(CIPHERTEXT)).toBe(true)
    }
  })
})

describe('a process that is killed during an upload', () => {
  it('keeps what was durable, and the next one goes on at once', async () => {
    const env = await home()
    const first = await startServer(env)
    const { ann, id } = await startGroupAlone(first)
    const bytes = randomBytes(40 * MIB)
    const location = await new AttachmentClient(first, ann).begin(id, bytes.length)
    const { socket } = await beginPatch(first, ann, { location, offset: 0, length: bytes.length })
    socket.write(bytes.subarray(0, 39 * MIB))
    await eventually(async () =>
      expect(await new AttachmentClient(first, ann).offset(location)).toBeGreaterThanOrEqual(32 * MIB),
    )
    first.child.kill('SIGKILL')
    await first.exited

    const second = await startServer(env)
    const client = new AttachmentClient(second, ann)
    const offset = await client.offset(location)
    expect(offset).toBeGreaterThanOrEqual(32 * MIB)
    expect((await client.patch(location, offset, bytes.subarray(offset))).status).toBe(204)
    const found = await client.request('GET', location)
    expect(Buffer.from(await found.arrayBuffer()).equals(bytes)).toBe(true)
    expect(attachmentFiles(env.DATA_DIR as string)).toHaveLength(1)
  })
})

/** What the server needs to find its data again. */
async function home(): Promise<Record<string, string>> {
  if (!process.env.DATABASE_URL) return { DATA_DIR: dataFolder() }
  const { url, drop } = await createTestDatabase(process.env.DATABASE_URL)
  onTestFinished(drop)
  return { DATA_DIR: temporaryFolder(), DATABASE_URL: url }
}

/** Signs Ann up, and starts a group with her as its only member. */
async function startGroupAlone(server: ServerProcess) {
  const response = await fetch(`${server.url}/auth/register`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ email: 'ann@example.com', password: PASSWORD }),
  })
  const { auth_token: token } = (await response.json()) as { auth_token: string }
  const socket = openSocket(`${server.url.replace('http', 'ws')}/socket`, { token })
  onTestFinished(() => socket.disconnect())
  const system = socket.channel('system:general', { token })
  await settle(system.join())
  const keys = { public_key: {}, private_key: {} }
  const started = await settle(system.push('start_group_conversation', { token, user_ids: [], ...keys }))
  socket.disconnect()
  return { ann: { token }, id: started.response as string }
}
