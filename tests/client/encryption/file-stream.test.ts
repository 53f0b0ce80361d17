import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  type Bytes,
  CHUNK_SIZE,
  decryptFile,
  decryptRange,
  digestOfHashes,
  encryptedSize,
  encryptFile,
  FileCipher,
  generateFileKey,
  locateRange,
} from '../../../src/client/encryption/index.ts'

const ENCRYPTED_CHUNK = CHUNK_SIZE + 16

it.each([0, 1, CHUNK_SIZE - 1, CHUNK_SIZE, CHUNK_SIZE + 1, 3 * CHUNK_SIZE, 3 * CHUNK_SIZE + 7])(
  'decrypts a file of %i bytes, of the size that it announces',
  async (size) => {
    const plaintext = bytesOf(size)
    const { cipher, encrypted, digest } = await encrypt(plaintext)
    expect(encrypted.length).toBe(encryptedSize(size))
    expectSame(await join(decryptFile(cipher, pieces(encrypted, 10_000), digest)), plaintext)
  },
)

it('decrypts a file that comes in pieces of any size', async () => {
  const plaintext = bytesOf(2 * CHUNK_SIZE + 100)
  const { cipher, encrypted, digest } = await encrypt(plaintext)
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1000, max: 200_000 }), async (size) => {
      expectSame(await join(decryptFile(cipher, pieces(encrypted, size), digest)), plaintext)
    }),
    { numRuns: 20 },
  )
})

it('reads a ReadableStream, and cancels it when the reader stops', async () => {
  const { cipher, encrypted, digest } = await encrypt(bytesOf(3 * CHUNK_SIZE))
  expect(await join(decryptFile(cipher, new Blob([encrypted]).stream(), digest))).toHaveLength(3 * CHUNK_SIZE)
  let isCancelled = false
  const endless = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.enqueue(encrypted.slice(0, ENCRYPTED_CHUNK)),
    cancel: () => {
      isCancelled = true
    },
  })
  await expect(join(decryptFile(cipher, endless, digest))).rejects.toMatchObject({ code: 'altered_chunk' })
  expect(isCancelled).toBe(true)
})

it('reads any range of a file from the chunks that contain it', async () => {
  const plaintext = bytesOf(3 * CHUNK_SIZE + 500)
  const { cipher, encrypted } = await encrypt(plaintext)
  await fc.assert(
    fc.asyncProperty(fc.nat(plaintext.length - 1), fc.nat(plaintext.length), async (start, length) => {
      const end = Math.min(start + length + 1, plaintext.length)
      const range = locateRange(cipher, start, end)
      expect(range.end - range.start).toBeLessThan(end - start + 2 * ENCRYPTED_CHUNK)
      const part = encrypted.subarray(range.start, range.end)
      expectSame(
        await join(decryptRange(cipher, pieces(part, 50_000), start, end)),
        plaintext.subarray(start, end),
      )
    }),
    { numRuns: 40 },
  )
  expect(() => locateRange(cipher, 5, plaintext.length + 1)).toThrow(
    expect.objectContaining({ code: 'wrong_size' }),
  )
  await expect(
    join(decryptRange(cipher, pieces(encrypted.subarray(0, ENCRYPTED_CHUNK), 50_000), 0, 70_000)),
  ).rejects.toMatchObject({ code: 'wrong_size' })
})

it('has a digest over the hashes of its encrypted chunks', async () => {
  const { encrypted, digest } = await encrypt(bytesOf(CHUNK_SIZE + 1))
  const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest()
  const hashes = [encrypted.subarray(0, ENCRYPTED_CHUNK), encrypted.subarray(ENCRYPTED_CHUNK)].map(sha256)
  expect(digest).toBe(sha256(Buffer.concat(hashes)).toString('base64url'))
})

describe('an interrupted upload', () => {
  it('goes on with the same bytes', async () => {
    const plaintext = bytesOf(3 * CHUNK_SIZE + 9)
    const { cipher, encrypted, digest, hashes } = await encrypt(plaintext)
    const stored = hashes.slice(0, 2)
    const rest = await join(encryptFile(cipher, pieces(plaintext.subarray(CHUNK_SIZE), 1000), stored, 1))
    expectSame(rest, encrypted.subarray(ENCRYPTED_CHUNK))
    expect(await digestOfHashes(stored)).toBe(digest)
  })

  it('stops before it encrypts a changed file with the same nonces', async () => {
    const plaintext = bytesOf(2 * CHUNK_SIZE)
    const { cipher, hashes } = await encrypt(plaintext)
    plaintext[CHUNK_SIZE + 5]! ^= 1
    const rest = join(encryptFile(cipher, pieces(plaintext.subarray(CHUNK_SIZE), 1000), hashes, 1))
    await expect(rest).rejects.toMatchObject({ code: 'source_changed' })
  })

  it.each([-1, 1])('stops if the file has %i bytes more than announced', async (difference) => {
    const cipher = await FileCipher.open(generateFileKey(2 * CHUNK_SIZE))
    const source = pieces(bytesOf(2 * CHUNK_SIZE + difference), 1000)
    await expect(join(encryptFile(cipher, source, []))).rejects.toMatchObject({ code: 'wrong_size' })
  })
})

describe('an attack by the server', () => {
  it.each<[string, string, (chunks: Bytes[]) => Uint8Array[]]>([
    ['alters a byte', 'altered_chunk', ([a, b, c]) => [a!, b!.with(5, b![5]! ^ 1), c!]],
    ['alters a tag', 'altered_chunk', ([a, b, c]) => [a!, b!.with(-1, b!.at(-1)! ^ 1), c!]],
    ['exchanges two chunks', 'altered_chunk', ([a, b, c]) => [b!, a!, c!]],
    ['repeats a chunk', 'altered_chunk', ([a, , c]) => [a!, a!, c!]],
    ['leaves a chunk out', 'wrong_size', ([a, , c]) => [a!, c!]],
    ['cuts the last chunk off', 'wrong_size', ([a, b]) => [a!, b!]],
    ['cuts in the middle of a chunk', 'wrong_size', ([a, b]) => [a!, b!.subarray(0, 100)]],
    ['cuts the last chunk shorter', 'wrong_size', ([a, b, c]) => [a!, b!, c!.subarray(0, -1)]],
    ['ends with the first chunk', 'wrong_size', ([a]) => [a!]],
    ['sends nothing', 'wrong_size', () => []],
    ['appends a byte', 'wrong_size', ([a, b, c]) => [a!, b!, c!, Uint8Array.of(0)]],
    ['appends a chunk', 'wrong_size', ([a, b, c]) => [a!, b!, c!, c!]],
  ])('%s: %s', async (_, code, attack) => {
    const { cipher, encrypted, digest } = await encrypt(bytesOf(2 * CHUNK_SIZE + 1000))
    const chunks = [0, 1, 2].map((index) =>
      encrypted.slice(index * ENCRYPTED_CHUNK, (index + 1) * ENCRYPTED_CHUNK),
    )
    const source = new Blob(attack(chunks).map((chunk) => new Uint8Array(chunk))).stream()
    await expect(join(decryptFile(cipher, source, digest))).rejects.toMatchObject({
      name: 'EncryptionError',
      code,
    })
  })

  it('shows a shorter file as a whole one to nobody, although it knows where chunks end', async () => {
    const { key, encrypted, digest } = await encrypt(bytesOf(2 * CHUNK_SIZE))
    const shorter = await FileCipher.open({ ...key, size: CHUNK_SIZE })
    const first = pieces(encrypted.subarray(0, ENCRYPTED_CHUNK), 1000)
    await expect(join(decryptFile(shorter, first, digest))).rejects.toMatchObject({ code: 'altered_chunk' })
  })

  it('delivers another file of the same key: altered_file', async () => {
    const { cipher, encrypted } = await encrypt(bytesOf(100))
    const decrypted = join(decryptFile(cipher, pieces(encrypted, 50), 'A'.repeat(43)))
    await expect(decrypted).rejects.toMatchObject({ code: 'altered_file' })
  })
})

it.each([{ key: 'AAAA' }, { nonce: 'AAAA' }, { size: -1 }, { size: 1.5 }, { size: 2 ** 50 }])(
  'refuses a file key with %j',
  async (change) => {
    const opened = FileCipher.open({ ...generateFileKey(1), ...change })
    await expect(opened).rejects.toMatchObject({ code: 'invalid_file_key' })
  },
)

async function encrypt(plaintext: Bytes) {
  const key = generateFileKey(plaintext.length)
  const cipher = await FileCipher.open(key)
  const hashes: string[] = []
  const encrypted = await join(encryptFile(cipher, pieces(plaintext, 30_000), hashes))
  return { key, cipher, encrypted, hashes, digest: await digestOfHashes(hashes) }
}

/** Comparing large arrays member by member takes seconds. */
function expectSame(actual: Uint8Array, expected: Uint8Array): void {
  expect(Buffer.compare(actual, expected)).toBe(0)
}

function bytesOf(size: number): Bytes {
  return Uint8Array.from({ length: size }, (_, index) => (index * 31) >> 3)
}

async function* pieces(bytes: Uint8Array, size: number) {
  for (let start = 0; start < bytes.length; start += size) yield bytes.subarray(start, start + size)
}

async function join(source: AsyncIterable<Bytes>): Promise<Bytes> {
  const parts: Bytes[] = []
  for await (const part of source) parts.push(part)
  return new Uint8Array(await new Blob(parts).arrayBuffer())
}
