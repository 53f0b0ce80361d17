import { type Bytes, decodeText, encodeText } from '../../account-keys/encoding.ts'

/** The largest padded message, in bytes. Encrypted, it fits the 64 KiB that the server accepts. */
export const MAX_PADDED_BYTES = 45_056

const SPACE = 0x20

/** The size to which a message of so many bytes is padded: 1, 2 or 4 KiB, or a multiple of 4 KiB. Undefined above the largest. */
export function bucketOf(size: number): number | undefined {
  const bucket = [1024, 2048].find((one) => size <= one) ?? Math.max(1, Math.ceil(size / 4096)) * 4096
  return bucket <= MAX_PADDED_BYTES ? bucket : undefined
}

/** A message followed by spaces up to its bucket; undefined if it is too large. */
export function pad(text: string): Bytes | undefined {
  const bytes = encodeText(text)
  const size = bucketOf(bytes.length)
  if (size === undefined) return undefined
  const padded = new Uint8Array(size).fill(SPACE)
  padded.set(bytes)
  return padded
}

/** The message without the spaces after it; undefined if it is not text. */
export function unpad(bytes: Bytes): string | undefined {
  let end = bytes.length
  while (end > 0 && bytes[end - 1] === SPACE) end--
  return decodeText(bytes.subarray(0, end))
}
