import { describe, expect, it, onTestFinished } from 'vitest'
import { PASSWORD } from '../../support/app.ts'
import { dataFolder } from '../../support/data-folder.ts'
import { createTestDatabase } from '../../support/database.ts'
import { eventually } from '../../support/eventually.ts'
import { temporaryFolder } from '../../support/folder.ts'
import { mp4 } from '../../support/media.ts'
import { type ServerProcess, startServer } from '../../support/process.ts'
import { beginUpload, mediaFiles, onTestServer } from '../../support/uploads.ts'

async function post<T>(server: ServerProcess, path: string, body: object, token?: string): Promise<T> {
  const response = await fetch(server.url + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) },
    body: JSON.stringify(body),
  })
  return (await response.json()) as T
}

async function startRoomWithAnn(server: ServerProcess): Promise<{ token: string; roomId: string }> {
  const account = { email: 'ann@example.com', password: PASSWORD }
  const { auth_token: token } = await post<{ auth_token: string }>(server, '/auth/register', account)
  const room = await post<{ id: string }>(server, '/api/v1/chat/room-list/', { room_name: 'Harbour' }, token)
  return { token, roomId: room.id }
}

/** What the server needs to find its data again. */
async function home(): Promise<Record<string, string>> {
  if (!process.env.DATABASE_URL) return { DATA_DIR: dataFolder() }
  const { url, drop } = await createTestDatabase(process.env.DATABASE_URL)
  onTestFinished(drop)
  return { DATA_DIR: temporaryFolder(), DATABASE_URL: url }
}

async function history(server: ServerProcess, roomId: string, token: string) {
  const headers = { authorization: `Bearer ${token}`, accept: 'application/json' }
  const response = await fetch(`${server.url}/api/v1/chat/home/${roomId}/`, { headers })
  return ((await response.json()) as { results: { video_content: string }[] }).results
}

describe('a process that is killed during an upload', () => {
  it('leaves no partial file after the next start, and keeps all others', async () => {
    const env = await home()
    const first = await startServer(env)
    const { token, roomId } = await startRoomWithAnn(first)
    const video = mp4(2)
    const whole = await beginUpload(first, { roomId, token })
    whole.send(video)
    whole.finish()
    expect(await whole.answered).toMatch(/^HTTP\/1.1 201 /)
    const half = await beginUpload(first, { roomId, token })
    half.send(video)
    half.send(Buffer.alloc(1_000_000))
    await eventually(() => expect(mediaFiles(env.DATA_DIR!)).toHaveLength(2))
    first.child.kill('SIGKILL')
    await first.exited

    const second = await startServer(env)
    expect(mediaFiles(env.DATA_DIR!)).toHaveLength(1)
    const messages = await history(second, roomId, token)
    expect(messages).toHaveLength(1)
    const found = await fetch(onTestServer(second, messages[0]!.video_content))
    expect(Buffer.from(await found.arrayBuffer()).equals(video)).toBe(true)
  })

  it('has stored everything that it acknowledged', async () => {
    const env = await home()
    const first = await startServer(env)
    const { token, roomId } = await startRoomWithAnn(first)
    const uploads = await Promise.all(Array.from({ length: 6 }, () => beginUpload(first, { roomId, token })))
    for (const { send, finish } of uploads) {
      send(mp4(2))
      finish()
    }
    await Promise.race(uploads.map(({ answered }) => answered))
    first.child.kill('SIGKILL')
    await first.exited

    const second = await startServer(env)
    const messages = await history(second, roomId, token)
    expect(messages.length).toBeGreaterThanOrEqual(1)
    expect(mediaFiles(env.DATA_DIR!)).toHaveLength(messages.length)
    for (const { video_content: url } of messages) {
      const found = await fetch(onTestServer(second, url))
      expect(Buffer.from(await found.arrayBuffer()).equals(mp4(2))).toBe(true)
    }
  })
})
