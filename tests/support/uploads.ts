import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { onTestFinished } from 'vitest'
import type { Person, TestApp } from './app.ts'
import { filesIn } from './media-library.ts'
import type { Json } from './phoenix.ts'

export interface Answer {
  status: number
  headers: Headers
  body: Json
}

/** The room of an upload and its sender. Null: without a token. */
export interface Target {
  roomId: string
  from: Person | null
}

/** Creates a room with Ann as its only member. */
export async function startRoomWithAnn(
  app: TestApp,
): Promise<{ ann: Person; roomId: string; target: Target }> {
  const ann = await app.signUp('ann')
  const room = { body: { room_name: 'Harbour' }, token: ann.token }
  const { body } = await app.request('POST', '/api/v1/chat/room-list/', room)
  return { ann, roomId: body.id, target: { roomId: body.id, from: ann } }
}

/** Sends a form as a browser does. Bytes are sent as files. The order of the parts is kept. */
export async function upload(
  app: TestApp,
  target: Target,
  ...parts: [name: string, value: string | Uint8Array][]
): Promise<Answer> {
  const form = new FormData()
  for (const [name, value] of parts) {
    if (typeof value === 'string') form.append(name, value)
    else form.append(name, new Blob([Buffer.from(value)]), 'a file.bin')
  }
  return post(app, target, form)
}

/** Posts any body to the upload route. */
export async function post(
  app: TestApp,
  { roomId, from }: Target,
  body: FormData | string | Uint8Array,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const response = await fetch(`${app.url}/api/v1/chat/rooms/${roomId}/media/`, {
    method: 'POST',
    headers: { ...(from && { authorization: `Bearer ${from.token}` }), ...headers },
    body: typeof body === 'string' || body instanceof FormData ? body : Buffer.from(body),
  })
  return { status: response.status, headers: response.headers, body: await response.json() }
}

/** An upload in progress. */
export interface OpenUpload {
  socket: Socket
  /** Sends more of the file. */
  send(bytes: Uint8Array): void
  finish(): void
  /** Resolves with the first bytes of the response. */
  answered: Promise<string>
}

/** Starts an upload, and sends everything before the bytes of the file. @param length the Content-Length. Default: chunked. */
export async function beginUpload(
  { url }: { url: string },
  { roomId, token }: { roomId: string; token: string },
  length?: number,
): Promise<OpenUpload> {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname).on('error', () => {})
  onTestFinished(() => void socket.destroy())
  const send = (bytes: Uint8Array | string) => {
    if (length !== undefined) return socket.write(bytes)
    socket.write(`${Buffer.byteLength(bytes).toString(16)}\r\n`)
    socket.write(bytes)
    return socket.write('\r\n')
  }
  const answered = once(socket, 'data').then(([data]) => String(data))
  answered.catch(() => {})
  await once(socket, 'connect')
  socket.write(
    `POST /api/v1/chat/rooms/${roomId}/media HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${token}\r\n` +
      'Content-Type: multipart/form-data; boundary=edge\r\n' +
      `${length === undefined ? 'Transfer-Encoding: chunked' : `Content-Length: ${length}`}\r\n\r\n`,
  )
  send('--edge\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n')
  return {
    socket,
    send,
    finish() {
      send('\r\n--edge--\r\n')
      if (length === undefined) socket.write('0\r\n\r\n')
    },
    answered,
  }
}

/** The files in the media store of a server. Incomplete uploads are in `incoming`. */
export function mediaFiles(dataDir: string): string[] {
  return filesIn(dataDir).filter((path) => path.includes('/media/'))
}

/** Replaces the origin of a public URL by that of the test server. */
export function onTestServer({ url }: { url: string }, publicUrl: string): string {
  const { pathname, search } = new URL(publicUrl)
  return url + pathname + search
}
