import {
  type AttachedFile,
  type ByteSource,
  type Bytes,
  CHUNK_SIZE,
  cleanFileName,
  cleanMediaType,
  decryptFile,
  digestOfHashes,
  encryptedSize,
  encryptFile,
  FileCipher,
  generateFileKey,
  TAG_SIZE,
} from '../encryption/index.ts'
import { ConnectionError, RejectedError } from '../errors.ts'
import type { Session } from '../session/session.ts'
import { retryDelay, sleep } from '../timing.ts'

/** Encrypted chunks that travel in one request: 4 MiB. */
const CHUNKS_PER_REQUEST = 64
const ENCRYPTED_CHUNK_SIZE = CHUNK_SIZE + TAG_SIZE
const MAX_FAILURES = 10
/** Codes after which an upload goes on at the offset that the server names. */
const RESUMABLE = new Set(['busy', 'rate_limited', 'upload_locked', 'upload_offset_mismatch'])

/** A file to be sent: a `File` or `Blob` of a browser or of Node, or something like it. */
export interface FileSource {
  readonly size: number
  readonly name?: string
  readonly type?: string
  slice(start?: number, end?: number): { stream(): ByteSource }
}

/** How a file is uploaded or downloaded. */
export interface TransferOptions {
  /** Called with the bytes that have been transferred, of the file before encryption. */
  onProgress?: (transferred: number, total: number) => void
  signal?: AbortSignal
}

/** Encrypts a file and uploads it in parts, each again after an interruption. What it returns belongs into a message. */
export async function uploadFile(
  session: Session,
  conversationId: string,
  file: FileSource,
  { onProgress, signal }: TransferOptions = {},
): Promise<AttachedFile> {
  const fileKey = generateFileKey(file.size)
  const cipher = await FileCipher.open(fileKey)
  const path = `/api/conversations/${conversationId}/attachments`
  const { id } = await session.request<{ id: string }>('POST', path, {
    headers: { 'tus-resumable': '1.0.0', 'upload-length': String(encryptedSize(file.size)) },
  })
  const hashes: string[] = []
  const upload = { session, path: `${path}/${id}`, file, cipher, hashes }
  for (let offset = 0, failures = 0; offset < encryptedSize(file.size); ) {
    signal?.throwIfAborted()
    try {
      offset = await sendPart(upload, offset)
      failures = 0
      onProgress?.(Math.min(file.size, (offset / ENCRYPTED_CHUNK_SIZE) * CHUNK_SIZE), file.size)
    } catch (error) {
      if (!isResumable(error) || ++failures > MAX_FAILURES) throw error
      await sleep(retryDelay(error, failures))
      const stored = await offsetOf(upload).catch((cause) =>
        isResumable(cause) ? offset : Promise.reject(cause),
      )
      if (stored > offset) failures = 0
      offset = stored
    }
  }
  const { key, nonce, size } = fileKey
  const { name = 'file', type = '' } = file
  return {
    ...{ id, key, nonce, size },
    name: cleanFileName(name),
    type: cleanMediaType(type),
    digest: await digestOfHashes(hashes),
  }
}

/** Downloads a file in parts and decrypts it. The file is complete, and the one that was sent, only when the iteration ends. */
export async function* downloadFile(
  session: Session,
  conversationId: string,
  file: AttachedFile,
  { onProgress, signal }: TransferOptions = {},
): AsyncGenerator<Bytes, void, undefined> {
  const cipher = await FileCipher.open(file)
  const path = `/api/conversations/${conversationId}/attachments/${file.id}`
  let transferred = 0
  for await (const bytes of decryptFile(
    cipher,
    encryptedParts(session, path, file.size, signal),
    file.digest,
  )) {
    transferred += bytes.length
    onProgress?.(transferred, file.size)
    yield bytes
  }
}

interface Upload {
  session: Session
  path: string
  file: FileSource
  cipher: FileCipher
  hashes: string[]
}

/** Sends up to 4 MiB from an offset. @returns the offset after them. */
async function sendPart({ session, path, file, cipher, hashes }: Upload, offset: number): Promise<number> {
  const firstChunk = Math.floor(offset / ENCRYPTED_CHUNK_SIZE)
  const plain = file.slice(firstChunk * CHUNK_SIZE, (firstChunk + CHUNKS_PER_REQUEST) * CHUNK_SIZE)
  const part: Bytes[] = []
  const isLastPart = firstChunk + CHUNKS_PER_REQUEST >= cipher.chunkCount
  const chunks = encryptFile(cipher, plain.stream(), hashes, firstChunk)
  for (let count = 0; count < CHUNKS_PER_REQUEST; count++) {
    const { value, done } = await chunks.next()
    if (done) break
    part.push(value)
  }
  if (isLastPart)
    await chunks.next() // checks that the file has not become shorter
  else await chunks.return()
  const body = joined(part).subarray(offset - firstChunk * ENCRYPTED_CHUNK_SIZE)
  const response = await session.respond('PATCH', path, {
    body,
    headers: {
      'tus-resumable': '1.0.0',
      'upload-offset': String(offset),
      'content-type': 'application/offset+octet-stream',
    },
  })
  return Number(response.headers.get('upload-offset') ?? offset + body.length)
}

async function offsetOf({ session, path }: Upload): Promise<number> {
  const response = await session.respond('HEAD', path, { headers: { 'tus-resumable': '1.0.0' } })
  return Number(response.headers.get('upload-offset'))
}

async function* encryptedParts(
  session: Session,
  path: string,
  size: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array, void, undefined> {
  const total = encryptedSize(size)
  const step = CHUNKS_PER_REQUEST * ENCRYPTED_CHUNK_SIZE
  for (let start = 0; start < total; start += step) {
    signal?.throwIfAborted()
    const range = `bytes=${start}-${Math.min(start + step, total) - 1}`
    const response = await session.respond('GET', path, { headers: { range } })
    yield new Uint8Array(await response.arrayBuffer())
  }
}

function joined(parts: Bytes[]): Bytes {
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0))
  let offset = 0
  for (const part of parts) {
    all.set(part, offset)
    offset += part.length
  }
  return all
}

function isResumable(error: unknown): boolean {
  return error instanceof ConnectionError || (error instanceof RejectedError && RESUMABLE.has(error.code))
}
