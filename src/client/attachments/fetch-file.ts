import type { AttachedFile } from '../encryption/attachment.ts'
import { EncryptionError } from '../encryption/errors.ts'
import { encryptedSize, FileCipher } from '../encryption/file-cipher.ts'
import { decryptFile, decryptRange, locateRange } from '../encryption/file-stream.ts'
import { ConnectionError } from '../errors.ts'
import type { Session } from '../session/session.ts'
import { Transfer, type TransferOptions } from './transfer.ts'

/** The file is requested in pieces of this many encrypted bytes; one is in memory at a time. */
const PIECE_SIZE = 4 * 1_048_576
/** Attempts in a row that bring nothing, before a download fails. */
const MAX_FAILURES = 10

/** What to download, and what ends it. */
export interface FetchOptions {
  session: Session
  path: string
  file: AttachedFile
  signals: (AbortSignal | undefined)[]
  onProgress?: TransferOptions['onProgress']
}

/** Fetches and decrypts a whole file. @throws EncryptionError, RejectedError, ConnectionError */
export async function* fetchFile(options: FetchOptions): AsyncGenerator<Uint8Array<ArrayBuffer>, void> {
  const { file, onProgress } = options
  const cipher = await FileCipher.open(file)
  let loaded = 0
  onProgress?.(loaded, file.size)
  for await (const chunk of decryptFile(
    cipher,
    fetchBytes(options, 0, encryptedSize(file.size)),
    file.digest,
  )) {
    yield chunk
    loaded += chunk.length
    onProgress?.(loaded, file.size)
  }
}

/** Fetches and decrypts the bytes from `start` to before `end`. */
export async function* fetchRange(
  options: FetchOptions,
  start: number,
  end: number,
): AsyncGenerator<Uint8Array<ArrayBuffer>, void> {
  const cipher = await FileCipher.open(options.file)
  const place = locateRange(cipher, start, end)
  yield* decryptRange(cipher, fetchBytes(options, place.start, place.end), start, end)
}

async function* fetchBytes(options: FetchOptions, start: number, end: number): AsyncGenerator<Uint8Array> {
  const transfer = new Transfer(options.session, options.signals)
  for (let position = start; position < end; position += PIECE_SIZE) {
    yield await fetchPiece(options, transfer, position, Math.min(position + PIECE_SIZE, end))
  }
}

/** Fetches a piece; what an interrupted response has brought is kept. */
async function fetchPiece(
  { path, file }: FetchOptions,
  transfer: Transfer,
  start: number,
  end: number,
): Promise<Uint8Array> {
  const piece = new Uint8Array(end - start)
  let filled = 0
  for (let failures = 0; filled < piece.length; ) {
    const before = filled
    try {
      const range = { range: `bytes=${start + filled}-${end - 1}` }
      await transfer.request('GET', path, { headers: range }, async ({ body, headers }, alive) => {
        checkSize(file, headers.get('content-range'))
        for await (const bytes of readBody(body)) {
          alive()
          const part = bytes.subarray(0, piece.length - filled)
          piece.set(part, filled)
          filled += part.length
          if (filled === piece.length) break
        }
        if (filled < piece.length) throw new ConnectionError({ code: 'disconnected' })
      })
    } catch (error) {
      failures = filled > before ? 0 : failures + 1
      if (failures === MAX_FAILURES) throw error
      await transfer.pauseAfter(error, failures)
    }
  }
  return piece
}

function checkSize(file: AttachedFile, contentRange: string | null): void {
  const size = /\/(\d+)$/.exec(contentRange ?? '')?.[1]
  if (size !== undefined && Number(size) !== encryptedSize(file.size)) {
    throw new EncryptionError('wrong_size', 'The file has another size than the message says.')
  }
}

/** @throws ConnectionError if the connection is lost. */
async function* readBody(body: ReadableStream<Uint8Array> | null): AsyncGenerator<Uint8Array, void> {
  if (!body) return
  const reader = body.getReader()
  try {
    for (;;) {
      const { done, value } = await reader.read().catch((cause) => {
        throw new ConnectionError({ code: 'disconnected', cause })
      })
      if (done) return
      yield value
    }
  } finally {
    reader.cancel().catch(() => {})
  }
}
