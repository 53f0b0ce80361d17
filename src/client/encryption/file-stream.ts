import { type Bytes, decodeBase64url, encodeBase64url, sha256 } from '../../account-keys/encoding.ts'
import { EncryptionError } from './errors.ts'
import { CHUNK_SIZE, digestOf, encryptedSize, type FileCipher, TAG_SIZE } from './file-cipher.ts'

/** Bytes in pieces of any size: a `ReadableStream`, or what `for await` reads. */
export type ByteSource = AsyncIterable<Uint8Array> | { getReader(): ByteReader }

/** The part of `ReadableStreamDefaultReader` that is used. */
export interface ByteReader {
  read(): Promise<{ done: boolean; value?: Uint8Array | undefined }>
  cancel(reason?: unknown): Promise<void>
}

/** Where the bytes of a range are in the encrypted file. */
export interface EncryptedRange {
  firstChunk: number
  /** The first byte to fetch. */
  start: number
  /** The byte after the last one to fetch. */
  end: number
}

const ENCRYPTED_CHUNK_SIZE = CHUNK_SIZE + TAG_SIZE

/**
 * Encrypts a file chunk by chunk and adds the hash of each one to `chunkHashes`, from which its digest is computed in the end. To resume an
 * upload, pass the hashes that were stored: the file is encrypted again from `firstChunk` on, and `source` starts there. Throws
 * `source_changed`, before the chunk leaves, if it is not what it was: the same nonce must never encrypt two texts.
 */
export async function* encryptFile(
  cipher: FileCipher,
  source: ByteSource,
  chunkHashes: string[],
  firstChunk = 0,
): AsyncGenerator<Bytes, void> {
  let index = firstChunk
  for await (const plaintext of chunksOf(source, CHUNK_SIZE)) {
    const encrypted = await cipher.encryptChunk(index, plaintext)
    const hash = encodeBase64url(await sha256(encrypted))
    if (chunkHashes[index] !== undefined && chunkHashes[index] !== hash) {
      throw new EncryptionError('source_changed', 'The file changed while it was being uploaded.')
    }
    chunkHashes[index] = hash
    index++
    yield encrypted
  }
  checkEnd(index, cipher)
}

/** The digest of a file of which all chunks were encrypted. */
export function digestOfHashes(chunkHashes: readonly string[]): Promise<string> {
  return digestOf(chunkHashes.map((hash) => decodeBase64url(hash) ?? new Uint8Array(32)))
}

/**
 * Decrypts a whole file. Every chunk is authentic when it comes out, but the file is complete only when the iteration ends. Throws
 * `altered_chunk`, `wrong_size`, or `altered_file` if the digest is another.
 */
export async function* decryptFile(
  cipher: FileCipher,
  source: ByteSource,
  digest: string,
): AsyncGenerator<Bytes, void> {
  const hashes: Bytes[] = []
  for await (const encrypted of chunksOf(source, ENCRYPTED_CHUNK_SIZE)) {
    const plaintext = await cipher.decryptChunk(hashes.length, encrypted)
    hashes.push(await sha256(encrypted))
    yield plaintext
  }
  checkEnd(hashes.length, cipher)
  if ((await digestOf(hashes)) !== digest) {
    throw new EncryptionError('altered_file', 'The file is not the one that the message describes.')
  }
}

/** Where to find the bytes from `start` to before `end` of a file. Throws `wrong_size` for a range outside of it. */
export function locateRange({ size }: FileCipher, start: number, end: number): EncryptedRange {
  if (!(Number.isInteger(start) && Number.isInteger(end) && start >= 0 && start < end && end <= size)) {
    throw new EncryptionError('wrong_size', 'The range is not within the file.')
  }
  const firstChunk = Math.floor(start / CHUNK_SIZE)
  const endChunk = Math.ceil(end / CHUNK_SIZE)
  return {
    firstChunk,
    start: firstChunk * ENCRYPTED_CHUNK_SIZE,
    end: Math.min(endChunk * ENCRYPTED_CHUNK_SIZE, encryptedSize(size)),
  }
}

/** Decrypts the bytes from `start` to before `end`. `source` is what {@link locateRange} names. The digest of the file is not checked. */
export async function* decryptRange(
  cipher: FileCipher,
  source: ByteSource,
  start: number,
  end: number,
): AsyncGenerator<Bytes, void> {
  let position = locateRange(cipher, start, end).firstChunk * CHUNK_SIZE
  for await (const encrypted of chunksOf(source, ENCRYPTED_CHUNK_SIZE)) {
    const plaintext = await cipher.decryptChunk(position / CHUNK_SIZE, encrypted)
    yield plaintext.subarray(Math.max(0, start - position), Math.max(0, end - position))
    position += plaintext.length
  }
  if (position < end) throw new EncryptionError('wrong_size', 'The range of the file is incomplete.')
}

function checkEnd(chunks: number, { chunkCount }: FileCipher): void {
  if (chunks < chunkCount) throw new EncryptionError('wrong_size', 'The end of the file is missing.')
}

/** The bytes of a source in chunks of one size; the last may be shorter. An empty source is one empty chunk. */
async function* chunksOf(source: ByteSource, size: number): AsyncGenerator<Bytes, void> {
  let chunk = new Uint8Array(size)
  let filled = 0
  let isEmpty = true
  for await (const piece of piecesOf(source)) {
    for (let offset = 0; offset < piece.length; ) {
      if (filled === size) {
        yield chunk
        chunk = new Uint8Array(size)
        filled = 0
      }
      const part = piece.subarray(offset, offset + size - filled)
      chunk.set(part, filled)
      filled += part.length
      offset += part.length
      isEmpty = false
    }
  }
  if (filled > 0 || isEmpty) yield chunk.subarray(0, filled)
}

/** `ReadableStream` is not iterable in every browser. */
async function* piecesOf(source: ByteSource): AsyncGenerator<Uint8Array, void> {
  if (!('getReader' in source)) return yield* source
  const reader = source.getReader()
  let isDone = false
  try {
    for (;;) {
      const { done, value } = await reader.read()
      isDone = done
      if (isDone) return
      if (value) yield value
    }
  } finally {
    if (!isDone) await reader.cancel()
  }
}
