import type { CryptoKey } from 'jose'
import { decodeText, encodeText, isObject, parseJsonObject } from '../../account-keys/encoding.ts'
import type { PublicJwk } from '../../account-keys/jwk.ts'
import type { Content } from './content.ts'
import { EncryptionError } from './errors.ts'
import { decryptByAny, encryptJwe, readJweHeader } from './jwe.ts'
import { importEncryptionKey } from './key-handles.ts'

/** The beginning of a note to a reader whose client cannot show a message. */
export const NOTE_MARK = '[parley.1] '

/** What a reader of an original client gets in the place of a message that it cannot show. */
export const NEWER_CLIENT_NOTE = `${NOTE_MARK}This message needs a newer client.`

/** The same for a message that was deleted. */
export const DELETED_NOTE = `${NOTE_MARK}This message was deleted.`

/** An RSA key for a conversation, as the server stores it for original clients. `d` is a JWE of the private members. */
export interface ConversationKeys {
  public_key: { kty: 'RSA'; n: string; e: string; alg: string; ext: true; key_ops: string[] }
  private_key: { kty: 'RSA'; n: string; e: string; alg: string; ext: true; key_ops: string[]; d: string }
}

const RSA = { name: 'RSA-OAEP', hash: 'SHA-256' }

/** 2048 to 8192 bits in base64url. */
const MODULUS = /^[A-Za-z0-9_-]{342,1366}$/
const RSA_NAME = 'RSA-OAEP-256'
const MEMBERS = ['n', 'e', 'd', 'p', 'q', 'dp', 'dq', 'qi'] as const

/** What an original client shows of a message: its text, or a note. */
export function originalText(content: Content): string {
  if (content.type === 'text' || content.type === 'reply') return content.body.text
  return content.type === 'deleted' ? DELETED_NOTE : NEWER_CLIENT_NOTE
}

/** The public key that an original client set for a conversation: RSA of 2048 to 8192 bits. Throws `invalid_keys`. */
export async function importOriginalKey(jwk: unknown): Promise<CryptoKey> {
  const { kty, n, e } = isObject(jwk) ? jwk : {}
  const isRsa = kty === 'RSA' && typeof n === 'string' && typeof e === 'string' && MODULUS.test(n)
  if (!isRsa)
    throw new EncryptionError('invalid_keys', 'The key of the conversation is not a usable RSA key.')
  try {
    return await crypto.subtle.importKey('jwk', { kty, n, e }, RSA, false, ['encrypt'])
  } catch (cause) {
    throw new EncryptionError('invalid_keys', 'The key of the conversation is not a usable RSA key.', {
      cause,
    })
  }
}

/** A copy for an original client: RSA-OAEP of the text in standard base64, or of the note that it needs a newer client. */
export async function encryptOriginal(key: CryptoKey, text: string): Promise<string> {
  const bytes = encodeText(text)
  const fits = bytes.length <= modulusBytes(key) - 66
  const encrypted = await crypto.subtle.encrypt('RSA-OAEP', key, fits ? bytes : encodeText(NEWER_CLIENT_NOTE))
  return btoa(String.fromCharCode(...new Uint8Array(encrypted)))
}

/** The text of a copy that an original client made; undefined if the key does not open it. Nobody signed it. */
export async function decryptOriginal(key: CryptoKey, copy: string): Promise<string | undefined> {
  try {
    const bytes = Uint8Array.from(atob(copy), (character) => character.charCodeAt(0))
    return decodeText(new Uint8Array(await crypto.subtle.decrypt('RSA-OAEP', key, bytes)))
  } catch {
    return undefined
  }
}

/** Makes the RSA pair of a member with account keys, so that members without can write to it. The private half is encrypted to `own`. */
export async function createConversationKeys(
  conversation: string,
  own: PublicJwk,
): Promise<ConversationKeys> {
  const parameters = { ...RSA, modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]) }
  const pair = await crypto.subtle.generateKey(parameters, true, ['encrypt', 'decrypt'])
  const { n, e, d, p, q, dp, dq, qi } = await crypto.subtle.exportKey('jwk', pair.privateKey)
  const secret = JSON.stringify({ v: 1, conversation, n, e, d, p, q, dp, dq, qi })
  const locked = await encryptJwe('ECDH-ES+A256KW', await importEncryptionKey(own), encodeText(secret))
  const shared = { kty: 'RSA', n: n!, e: e!, alg: RSA_NAME, ext: true } as const
  return {
    public_key: { ...shared, key_ops: ['encrypt'] },
    private_key: { ...shared, key_ops: ['decrypt'], d: locked },
  }
}

/** Opens the private half with the account's private keys, newest first. Throws `undecryptable` or `wrong_conversation`. */
export async function openConversationKey(
  conversation: string,
  jwk: unknown,
  keys: readonly CryptoKey[],
): Promise<CryptoKey> {
  const { n, d } = isObject(jwk) ? jwk : {}
  const secret = typeof d === 'string' ? await decryptMembers(d, keys) : undefined
  if (!secret || !hasMembers(secret) || secret.n !== n) throw undecryptable()
  if (secret.conversation !== conversation) {
    throw new EncryptionError('wrong_conversation', 'The key is that of another conversation.')
  }
  const members = Object.fromEntries(MEMBERS.map((name) => [name, secret[name]]))
  try {
    return await crypto.subtle.importKey('jwk', { kty: 'RSA', ...members }, RSA, false, ['decrypt'])
  } catch (cause) {
    throw undecryptable(cause)
  }
}

function hasMembers(
  secret: Record<string, unknown>,
): secret is Record<string, unknown> & Record<(typeof MEMBERS)[number], string> {
  return MEMBERS.every((name) => typeof secret[name] === 'string')
}

async function decryptMembers(jwe: string, keys: readonly CryptoKey[]) {
  if (!readJweHeader('ECDH-ES+A256KW', jwe)) return undefined
  const plaintext = await decryptByAny(jwe, keys)
  return plaintext && parseJsonObject(decodeText(plaintext))
}

function modulusBytes({ algorithm }: CryptoKey): number {
  return 'modulusLength' in algorithm ? Number(algorithm.modulusLength) / 8 : 0
}

function undecryptable(cause?: unknown): EncryptionError {
  return new EncryptionError('undecryptable', 'The key of the conversation cannot be opened.', { cause })
}
