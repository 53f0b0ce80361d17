import { base64url } from 'jose'

/** Bytes in a buffer of their own, as WebCrypto takes them. */
export type Bytes = Uint8Array<ArrayBuffer>

/** What a text in base64url may end with, by its length modulo 4. */
const ENDS = [/$/, /(?!)/, /[AQgw]$/, /[AEIMQUYcgkosw048]$/]

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** The bytes of a text in UTF-8. */
export function encodeText(text: string): Bytes {
  return encoder.encode(text)
}

/** The text of bytes in UTF-8; undefined if they are not UTF-8. */
export function decodeText(bytes: Uint8Array): string | undefined {
  try {
    return decoder.decode(bytes)
  } catch {
    return undefined
  }
}

/** Bytes in base64url without padding (RFC 4648, section 5). */
export function encodeBase64url(bytes: Uint8Array): string {
  return base64url.encode(bytes)
}

/** The bytes of a text in base64url; undefined for any other spelling of them. */
export function decodeBase64url(text: string): Bytes | undefined {
  return isBase64url(text) ? new Uint8Array(base64url.decode(text)) : undefined
}

/** Whether a text is bytes in base64url in their one spelling: no padding, no white space, no bits at the end that are not zero. */
export function isBase64url(text: string): boolean {
  return /^[A-Za-z0-9_-]*$/.test(text) && ENDS[text.length % 4]!.test(text)
}

/** SHA-256. */
export async function sha256(bytes: Bytes): Promise<Bytes> {
  return new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))
}

/** SHA-256 of a text in UTF-8, in base64url. */
export async function hashText(text: string): Promise<string> {
  return encodeBase64url(await sha256(encodeText(text)))
}

/** A JSON value with the members of its objects in the order of their names (by UTF-16 code units), without white space. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_, part) => (isObject(part) ? sortMembers(part) : part))
}

/** The object in a text; undefined if it is not a JSON object. */
export function parseJsonObject(text: string | undefined): Record<string, unknown> | undefined {
  if (text === undefined) return undefined
  try {
    const value: unknown = JSON.parse(text)
    return isObject(value) ? value : undefined
  } catch {
    return undefined
  }
}

/** The object in a text in base64url; undefined if it is not a JSON object. */
export function decodeJsonObject(text: string): Record<string, unknown> | undefined {
  const bytes = decodeBase64url(text)
  return bytes && parseJsonObject(decodeText(bytes))
}

/** Whether a decoded JSON value is an object, not an array or null. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Whether an object has exactly these members. */
export function hasExactly(value: Record<string, unknown>, names: readonly string[]): boolean {
  return Object.keys(value).length === names.length && names.every((name) => Object.hasOwn(value, name))
}

function sortMembers(value: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
}
