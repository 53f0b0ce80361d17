import type { CryptoKey } from 'jose'
import { type Bytes, decodeBase64url, encodeBase64url, sha256 } from '../../account-keys/encoding.ts'
import { EncryptionError } from './errors.ts'

/** Bytes of a file in one chunk; the last chunk may be shorter. */
export const CHUNK_SIZE = 65_536

/** Bytes that encryption adds to each chunk. */
export const TAG_SIZE = 16

/** What opens a file: the key (32 bytes) and the beginning of its nonces (7 bytes), in base64url, and the size before encryption. */
export interface FileKey {
  key: string
  nonce: string
  size: number
}

/** A new key for a file of this size. A key is for one file only. */
export function generateFileKey(size: number): FileKey {
  const [key, nonce] = [32, 7].map((length) =>
    encodeBase64url(crypto.getRandomValues(new Uint8Array(length))),
  )
  return { key: key!, nonce: nonce!, size }
}

/** How many chunks a file of this size has. An empty file has one. */
export function chunkCount(size: number): number {
  return Math.max(1, Math.ceil(size / CHUNK_SIZE))
}

/** The size of a file after encryption. */
export function encryptedSize(size: number): number {
  return size + TAG_SIZE * chunkCount(size)
}

/** The digest of an encrypted file: the SHA-256 of the SHA-256 of each chunk, one after the other. */
export async function digestOf(chunkHashes: readonly Bytes[]): Promise<string> {
  const all = new Uint8Array(32 * chunkHashes.length)
  for (const [index, hash] of chunkHashes.entries()) all.set(hash, 32 * index)
  return encodeBase64url(await sha256(all))
}

/**
 * Encrypts and decrypts the chunks of a file in any order: the STREAM construction over AES-256-GCM. The nonce of a chunk contains its
 * number and whether it is the last, so that chunks cannot be moved, repeated or cut off.
 */
export class FileCipher {
  readonly size: number
  readonly chunkCount: number
  readonly #key: CryptoKey
  readonly #nonce: Bytes

  private constructor(size: number, key: CryptoKey, nonce: Bytes) {
    this.size = size
    this.chunkCount = chunkCount(size)
    this.#key = key
    this.#nonce = nonce
  }

  /** Throws `invalid_file_key`. */
  static async open({ key, nonce, size }: FileKey): Promise<FileCipher> {
    const [keyBytes, nonceBytes] = [decodeBase64url(key), decodeBase64url(nonce)]
    const isCountable = Number.isSafeInteger(size) && size >= 0 && chunkCount(size) <= 2 ** 32
    if (keyBytes?.length !== 32 || nonceBytes?.length !== 7 || !isCountable) {
      throw new EncryptionError('invalid_file_key', 'The key, nonce or size of the file is not valid.')
    }
    const imported = await crypto.subtle.importKey('raw', keyBytes, 'AES-GCM', false, ['encrypt', 'decrypt'])
    return new FileCipher(size, imported, nonceBytes)
  }

  /** Throws `wrong_size` unless the chunk has its full size. */
  async encryptChunk(index: number, plaintext: Bytes): Promise<Bytes> {
    this.#checkSize(index, plaintext.length)
    return new Uint8Array(await crypto.subtle.encrypt(this.#parametersOf(index), this.#key, plaintext))
  }

  /** Throws `altered_chunk` if the bytes are not this chunk of this file. */
  async decryptChunk(index: number, encrypted: Bytes): Promise<Bytes> {
    this.#checkSize(index, encrypted.length - TAG_SIZE)
    try {
      return new Uint8Array(await crypto.subtle.decrypt(this.#parametersOf(index), this.#key, encrypted))
    } catch (cause) {
      throw new EncryptionError('altered_chunk', `Chunk ${index} of the file was altered.`, { cause })
    }
  }

  #checkSize(index: number, length: number): void {
    const rest = this.size - index * CHUNK_SIZE
    const isPart = Number.isInteger(index) && index >= 0 && index < this.chunkCount
    if (!isPart || length !== Math.min(rest, CHUNK_SIZE)) {
      throw new EncryptionError('wrong_size', `Chunk ${index} of the file has another size than announced.`)
    }
  }

  #parametersOf(index: number) {
    const iv = new Uint8Array(12)
    iv.set(this.#nonce)
    new DataView(iv.buffer).setUint32(7, index)
    iv[11] = index === this.chunkCount - 1 ? 1 : 0
    return { name: 'AES-GCM', iv }
  }
}
