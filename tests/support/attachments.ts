import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import type { Channel } from 'phoenix'
import { onTestFinished } from 'vitest'
import type { Person, TestApp } from './app.ts'
import { copiesFor, push, startGroup } from './conversations.ts'
import { temporaryFolder } from './folder.ts'
import { listen } from './phoenix.ts'

/** What looks like an encrypted file. */
export const CIPHERTEXT = randomBytes(300_000)

/** The upload and download requests of one user. */
export class AttachmentClient {
  readonly #url: string
  readonly #token: string

  constructor({ url }: { url: string }, { token }: { token: string }) {
    this.#url = url
    this.#token = token
  }

  request(method: string, path: string, headers: object = {}, body?: Uint8Array): Promise<Response> {
    return fetch(this.#url + path, {
      method,
      headers: { authorization: `Bearer ${this.#token}`, ...headers },
      ...(body && { body }),
    })
  }

  create(conversationId: string, size: number | string, headers: object = {}): Promise<Response> {
    const path = `/api/conversations/${conversationId}/attachments`
    return this.request('POST', path, { 'tus-resumable': '1.0.0', 'upload-length': String(size), ...headers })
  }

  patch(
    location: string,
    offset: number | string,
    bytes: Uint8Array,
    headers: object = {},
  ): Promise<Response> {
    return this.request(
      'PATCH',
      location,
      { 'content-type': 'application/offset+octet-stream', 'upload-offset': String(offset), ...headers },
      bytes,
    )
  }

  /** Begins an upload. @returns its path. */
  async begin(conversationId: string, size: number): Promise<string> {
    const response = await this.create(conversationId, size)
    if (response.status !== 201) throw new Error(`Refused with ${response.status}: ${await response.text()}`)
    return response.headers.get('location') as string
  }

  /** Uploads a whole file. @returns its id, and its path. */
  async upload(conversationId: string, bytes: Uint8Array = CIPHERTEXT) {
    const location = await this.begin(conversationId, bytes.length)
    const { status } = await this.patch(location, 0, bytes)
    if (status !== 204) throw new Error(`Refused with ${status}`)
    return { id: location.split('/').at(-1) as string, location }
  }

  /** The offset of an upload, or the status of the error. */
  async offset(location: string): Promise<number> {
    const { status, headers } = await this.request('HEAD', location)
    return status === 200 ? Number(headers.get('upload-offset')) : -status
  }

  async status(location: string): Promise<number> {
    const response = await this.request('GET', location)
    await response.arrayBuffer()
    return response.status
  }
}

/** Ann and Bob in a group, Eve outside of it, and their clients. */
export async function startWithAttachments(start: (env: Record<string, string>) => Promise<TestApp>) {
  const dataDir = temporaryFolder()
  const app = await start({ DATA_DIR: dataDir })
  return {
    dataDir,
    ...(await groupWithAttachments(app)),
    files: () => attachmentFiles(dataDir),
    storedBytes: () => storedBytes(dataDir),
  }
}

/** As `startWithAttachments`, on a running server. */
export async function groupWithAttachments(app: TestApp) {
  const { id, people, channels, userChannels } = await startGroup(app, ['ann', 'bob'])
  const [ann, bob] = people as [Person, Person]
  const eve = await app.signUp('eve')
  const [annChannel, bobChannel] = channels as [Channel, Channel]
  const received = listen(userChannels[1] as Channel, 'new_message')
  const send = (attachments: string[], payload: object = {}) =>
    push(ann, annChannel, 'send_message', { ...copiesFor(people, 'x'), attachments, ...payload })
  const clientOf = (person: Person) => new AttachmentClient(app, person)
  return {
    ...{ app, id, people, ann, bob, eve, annChannel, bobChannel, received, send },
    clients: { ann: clientOf(ann), bob: clientOf(bob), eve: clientOf(eve) },
  }
}

/** The files of attachments in a data directory. */
export function attachmentFiles(dataDir: string): string[] {
  const dir = join(dataDir, 'attachments')
  if (!existsSync(dir)) return []
  return readdirSync(dir, { recursive: true, withFileTypes: true }).flatMap((one) =>
    one.isFile() ? [one.name] : [],
  )
}

/** The size of all files of attachments together. */
function storedBytes(dataDir: string): number {
  const dir = join(dataDir, 'attachments')
  return attachmentFiles(dataDir).reduce(
    (sum, name) => sum + statSync(join(dir, name.slice(-2), name)).size,
    0,
  )
}

/** A `PATCH` in progress. */
export interface OpenPatch {
  socket: Socket
  /** Resolves with the first bytes of the response. */
  answered: Promise<string>
}

/** Sends the headers of a `PATCH`. Its body is what the test writes to the socket. */
export async function beginPatch(
  { url }: { url: string },
  { token }: { token: string },
  { location, offset, length }: { location: string; offset: number; length: number },
): Promise<OpenPatch> {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname).on('error', () => {})
  onTestFinished(() => void socket.destroy())
  const answered = once(socket, 'data').then(([data]) => String(data))
  answered.catch(() => {})
  await once(socket, 'connect')
  socket.write(
    `PATCH ${location} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${token}\r\nTus-Resumable: 1.0.0\r\n` +
      `Upload-Offset: ${offset}\r\nContent-Type: application/offset+octet-stream\r\nContent-Length: ${length}\r\n\r\n`,
  )
  return { socket, answered }
}
