/**
 * The parts of RFC 7515, 7516 and 7518 that `parley.1` uses, by WebCrypto alone: a second implementation, with which the library is
 * compared.
 */
import type { webcrypto } from 'node:crypto'

const { subtle } = crypto
const EC = { name: 'ECDH', namedCurve: 'P-256' }

/** How a JWE is encrypted: to a public key, by a key, or by a passphrase. */
export type Recipient =
  | { jwk: webcrypto.JsonWebKey }
  | { key: Uint8Array }
  | { passphrase: string; p2c?: number }

interface JoseHeader {
  alg: string
  epk: webcrypto.JsonWebKey
  p2c: number
  p2s: string
}

export async function encryptCompact(recipient: Recipient, plaintext: Uint8Array): Promise<string> {
  const { header, cek, encryptedKey } = await keyFor(recipient)
  const encodedHeader = encode(utf8(JSON.stringify({ ...header, enc: 'A256GCM' })))
  const iv = random(12)
  const parameters = { name: 'AES-GCM', iv, additionalData: utf8(encodedHeader) }
  const key = await subtle.importKey('raw', cek, 'AES-GCM', false, ['encrypt'])
  const sealed = new Uint8Array(await subtle.encrypt(parameters, key, new Uint8Array(plaintext)))
  const parts = [encryptedKey, iv, sealed.subarray(0, -16), sealed.subarray(-16)]
  return [encodedHeader, ...parts.map(encode)].join('.')
}

export async function decryptCompact(recipient: Recipient, jwe: string): Promise<Uint8Array> {
  const [encodedHeader, encryptedKey, iv, ciphertext, tag] = jwe.split('.') as [
    string,
    string,
    string,
    string,
    string,
  ]
  const header = JSON.parse(new TextDecoder().decode(decode(encodedHeader)))
  if (header.enc !== 'A256GCM') throw new Error(`The encryption is ${header.enc}.`)
  const cek = await unwrap(recipient, header, decode(encryptedKey))
  const key = await subtle.importKey('raw', cek, 'AES-GCM', false, ['decrypt'])
  const parameters = { name: 'AES-GCM', iv: decode(iv), additionalData: utf8(encodedHeader) }
  return new Uint8Array(await subtle.decrypt(parameters, key, concat(decode(ciphertext), decode(tag))))
}

/** Signs by ES256, and returns the three parts of a JWS. */
export async function signParts(
  header: object,
  payload: string,
  jwk: webcrypto.JsonWebKey,
): Promise<[string, string, string]> {
  const parts = [encode(utf8(JSON.stringify(header))), encode(utf8(payload))] as const
  const key = await subtle.importKey('jwk', jwk, { name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign'])
  const signature = await subtle.sign({ name: 'ECDSA', hash: 'SHA-256' }, key, utf8(parts.join('.')))
  return [...parts, encode(new Uint8Array(signature))]
}

/** Checks the three parts of a JWS. */
export async function verifyParts(
  [header, payload, signature]: string[],
  jwk: webcrypto.JsonWebKey,
): Promise<boolean> {
  const { alg } = JSON.parse(new TextDecoder().decode(decode(header!)))
  if (alg !== 'ES256') throw new Error(`The algorithm is ${alg}.`)
  const key = await subtle.importKey('jwk', jwk, { name: 'ECDSA', namedCurve: 'P-256' }, false, ['verify'])
  const signed = utf8(`${header}.${payload}`)
  return subtle.verify({ name: 'ECDSA', hash: 'SHA-256' }, key, decode(signature!), signed)
}

/** SHA-256 of a text, in base64url. */
export async function hash(text: string): Promise<string> {
  return encode(new Uint8Array(await subtle.digest('SHA-256', utf8(text))))
}

export function encode(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '')
}

export function decode(text: string): Uint8Array<ArrayBuffer> {
  const binary = atob(text.replaceAll('-', '+').replaceAll('_', '/'))
  return Uint8Array.from(binary, (character) => character.charCodeAt(0))
}

export function utf8(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text)
}

async function keyFor(recipient: Recipient) {
  if ('key' in recipient) {
    return { header: { alg: 'dir' }, cek: new Uint8Array(recipient.key), encryptedKey: new Uint8Array() }
  }
  const cek = random(32)
  if ('passphrase' in recipient) {
    const header = { alg: 'PBES2-HS512+A256KW', p2c: recipient.p2c ?? 600_000, p2s: encode(random(16)) }
    return { header, cek, encryptedKey: await wrap(await passphraseKey(recipient.passphrase, header), cek) }
  }
  const pair = await subtle.generateKey(EC, true, ['deriveBits'])
  const { crv, kty, x, y } = await subtle.exportKey('jwk', pair.publicKey)
  const header = { alg: 'ECDH-ES+A256KW', epk: { crv, kty, x, y } }
  const publicKey = await subtle.importKey('jwk', recipient.jwk, EC, false, [])
  return { header, cek, encryptedKey: await wrap(await agreedKey(publicKey, pair.privateKey), cek) }
}

async function unwrap(recipient: Recipient, header: JoseHeader, encryptedKey: Uint8Array<ArrayBuffer>) {
  const algorithms = { key: 'dir', jwk: 'ECDH-ES+A256KW', passphrase: 'PBES2-HS512+A256KW' }
  const kind = Object.keys(recipient)[0] as keyof typeof algorithms
  if (header.alg !== algorithms[kind]) throw new Error(`The algorithm is ${header.alg}.`)
  if ('key' in recipient) return new Uint8Array(recipient.key)
  const wrappingKey =
    'passphrase' in recipient
      ? await passphraseKey(recipient.passphrase, header)
      : await agreedKey(
          await subtle.importKey('jwk', header.epk, EC, false, []),
          await subtle.importKey('jwk', recipient.jwk, EC, false, ['deriveBits']),
        )
  const key = await subtle.importKey('raw', wrappingKey, 'AES-KW', false, ['unwrapKey'])
  const cek = await subtle.unwrapKey('raw', encryptedKey, key, 'AES-KW', 'AES-GCM', true, ['decrypt'])
  return new Uint8Array(await subtle.exportKey('raw', cek))
}

async function wrap(wrappingKey: Uint8Array<ArrayBuffer>, cek: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  const key = await subtle.importKey('raw', wrappingKey, 'AES-KW', false, ['wrapKey'])
  const wrapped = await subtle.importKey('raw', cek, 'AES-GCM', true, ['encrypt'])
  return new Uint8Array(await subtle.wrapKey('raw', wrapped, key, 'AES-KW'))
}

type Key = Awaited<ReturnType<typeof subtle.importKey>>

/** RFC 7518, section 4.6.2: Concat KDF with one round. */
async function agreedKey(publicKey: Key, privateKey: Key): Promise<Uint8Array<ArrayBuffer>> {
  const z = new Uint8Array(await subtle.deriveBits({ name: 'ECDH', public: publicKey }, privateKey, 256))
  const algorithm = utf8('ECDH-ES+A256KW')
  const info = [uint32(algorithm.length), algorithm, uint32(0), uint32(0), uint32(256)]
  return new Uint8Array(await subtle.digest('SHA-256', concat(uint32(1), z, ...info)))
}

/** RFC 7518, section 4.8. */
async function passphraseKey(passphrase: string, { p2c, p2s }: Pick<JoseHeader, 'p2c' | 'p2s'>) {
  const key = await subtle.importKey('raw', utf8(passphrase), 'PBKDF2', false, ['deriveBits'])
  const salt = concat(utf8('PBES2-HS512+A256KW'), Uint8Array.of(0), decode(p2s))
  return new Uint8Array(
    await subtle.deriveBits({ name: 'PBKDF2', hash: 'SHA-512', salt, iterations: p2c }, key, 256),
  )
}

function uint32(value: number): Uint8Array {
  return Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value)
}

function concat(...parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  return new Uint8Array(parts.flatMap((part) => [...part]))
}

function random(length: number): Uint8Array<ArrayBuffer> {
  return crypto.getRandomValues(new Uint8Array(length))
}
