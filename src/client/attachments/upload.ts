import { type AttachedFile, MAX_FILES } from '../encryption/attachment.ts'
import {
  CHUNK_SIZE,
  encryptedSize,
  FileCipher,
  generateFileKey,
  TAG_SIZE,
} from '../encryption/file-cipher.ts'
import { digestOfHashes, encryptFile } from '../encryption/file-stream.ts'
import { ParleyError } from '../errors.ts'
import type { Session } from '../session/session.ts'
import { type FileSource, type ReadableFile, readableFile } from './file-source.ts'
import { Transfer, type TransferOptions } from './transfer.ts'

const ENCRYPTED_CHUNK_SIZE = CHUNK_SIZE + TAG_SIZE
const MIN_PIECE_CHUNKS = 4
/** 4 MiB of the file are in memory at a time, and the same encrypted. */
const MAX_PIECE_CHUNKS = 64
/** Pieces grow while they take less than this: short ones show the progress on a slow connection. */
const QUICK_MS = 1_000
/** One piece may take this long. The server keeps what has arrived until then. */
const PIECE_TIMEOUT_MS = 120_000

/**
 * Encrypts a file and uploads it, until it is complete: after an interruption it continues where the server stands.
 * @returns the file as the body of a message describes it.
 * @throws RejectedError; EncryptionError `source_changed` or `wrong_size`; the reason of the signal.
 */
export async function uploadFile(
  session: Session,
  conversationId: string,
  source: FileSource,
  { onProgress, signal }: TransferOptions = {},
): Promise<AttachedFile> {
  const file = readableFile(source)
  const key = generateFileKey(file.size)
  const cipher = await FileCipher.open(key)
  const transfer = new Transfer(session, [signal])
  const base = `/api/conversations/${encodeURIComponent(conversationId)}/attachments`
  const id = await transfer.untilDone(() =>
    transfer.request('POST', base, { headers: { 'upload-length': `${encryptedSize(file.size)}` } }, idOf),
  )
  const path = `${base}/${encodeURIComponent(id)}`
  try {
    const digest = await new Upload({ transfer, path, file, cipher, onProgress }).run()
    return { id, name: file.name, type: file.type, ...key, digest }
  } catch (error) {
    discardUpload(session, conversationId, id)
    throw error
  }
}

/** Uploads the files of one message, one after the other. If one fails, all are discarded. */
export async function uploadFiles(
  session: Session,
  conversationId: string,
  sources: FileSource[],
  { onProgress, signal }: TransferOptions = {},
): Promise<AttachedFile[]> {
  if (sources.length === 0 || sources.length > MAX_FILES) {
    throw new ParleyError({ code: 'file_count', message: `A message has 1 to ${MAX_FILES} files.` })
  }
  const total = sources.reduce((sum, source) => sum + readableFile(source).size, 0)
  const uploaded: AttachedFile[] = []
  try {
    for (const source of sources) {
      const done = uploaded.reduce((sum, { size }) => sum + size, 0)
      const report = (loaded: number) => onProgress?.(done + loaded, total)
      uploaded.push(await uploadFile(session, conversationId, source, { onProgress: report, signal }))
    }
  } catch (error) {
    for (const { id } of uploaded) discardUpload(session, conversationId, id)
    throw error
  }
  return uploaded
}

/** Deletes an upload that no message has. The server does so too, after a day. */
function discardUpload(session: Session, conversationId: string, id: string): void {
  const path = `/api/conversations/${encodeURIComponent(conversationId)}/attachments/${encodeURIComponent(id)}`
  session.request('DELETE', path).catch(() => {})
}

interface UploadOptions {
  transfer: Transfer
  path: string
  file: ReadableFile
  cipher: FileCipher
  onProgress: TransferOptions['onProgress']
}

class Upload {
  readonly #options: UploadOptions
  readonly #size: number
  /** Of every chunk that was encrypted: the same nonce never encrypts two texts. */
  readonly #hashes: string[] = []
  /** How many bytes the server has. */
  #position = 0
  /** How many bytes it can have. */
  #encrypted = 0
  #pieceChunks = MIN_PIECE_CHUNKS

  constructor(options: UploadOptions) {
    this.#options = options
    this.#size = encryptedSize(options.file.size)
  }

  /** @returns the digest. */
  async run(): Promise<string> {
    this.#report()
    while (this.#position < this.#size)
      await this.#sendFrom(Math.floor(this.#position / ENCRYPTED_CHUNK_SIZE))
    return digestOfHashes(this.#hashes)
  }

  /** Encrypts and sends from a chunk on: to the end, or until the server has lost what was sent before. */
  async #sendFrom(firstChunk: number): Promise<void> {
    const { cipher, file } = this.#options
    let start = firstChunk * ENCRYPTED_CHUNK_SIZE
    let chunks: Uint8Array[] = []
    const source = file.open(firstChunk * CHUNK_SIZE)
    for await (const chunk of encryptFile(cipher, source, this.#hashes, firstChunk)) {
      chunks.push(chunk)
      if (chunks.length < this.#pieceChunks) continue
      const piece = concat(chunks)
      chunks = []
      if (!(await this.#sendPiece(start, piece))) return
      start += piece.length
    }
    if (chunks.length > 0) await this.#sendPiece(start, concat(chunks))
  }

  /** @returns whether the next piece is to follow; the server may have lost an earlier one. */
  async #sendPiece(start: number, piece: Uint8Array<ArrayBuffer>): Promise<boolean> {
    const end = start + piece.length
    this.#encrypted = Math.max(this.#encrypted, end)
    for (let failures = 0; this.#position < end; ) {
      const before = this.#position
      const startedAt = performance.now()
      try {
        this.#position = await this.#patch(before, piece.subarray(before - start))
        if (performance.now() - startedAt < QUICK_MS) this.#resize(2)
      } catch (error) {
        await this.#options.transfer.pauseAfter(error, failures)
        this.#resize(0.5)
        this.#position = await this.#askPosition()
      }
      failures = this.#position > before ? 0 : failures + 1
      if (this.#position > this.#encrypted) throw unknownOffset('The server has more than was sent.')
      this.#report()
      if (this.#position < start || this.#position > end) return false
    }
    return true
  }

  #patch(offset: number, body: Uint8Array<ArrayBuffer>): Promise<number> {
    const headers = { 'content-type': 'application/offset+octet-stream', 'upload-offset': `${offset}` }
    const options = { body, headers, idleMs: PIECE_TIMEOUT_MS }
    return this.#options.transfer.request('PATCH', this.#options.path, options, offsetOf)
  }

  #askPosition(): Promise<number> {
    const { transfer, path } = this.#options
    return transfer.untilDone(() => transfer.request('HEAD', path, {}, offsetOf))
  }

  #resize(factor: number): void {
    this.#pieceChunks = Math.min(Math.max(this.#pieceChunks * factor, MIN_PIECE_CHUNKS), MAX_PIECE_CHUNKS)
  }

  #report(): void {
    const { onProgress, file } = this.#options
    const tags = TAG_SIZE * Math.ceil(this.#position / ENCRYPTED_CHUNK_SIZE)
    onProgress?.(Math.max(0, this.#position - tags), file.size)
  }
}

async function idOf(response: Response): Promise<string> {
  const { id } = (await response.json()) as { id: string }
  return id
}

function offsetOf({ headers }: Response): number {
  const offset = headers.get('upload-offset')
  if (offset !== null && /^\d{1,15}$/.test(offset)) return Number(offset)
  throw unknownOffset('The server does not say how much it has.')
}

function unknownOffset(message: string): ParleyError {
  return new ParleyError({ code: 'unknown_offset', message })
}

function concat(chunks: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(chunks.reduce((sum, { length }) => sum + length, 0))
  let position = 0
  for (const chunk of chunks) {
    all.set(chunk, position)
    position += chunk.length
  }
  return all
}
