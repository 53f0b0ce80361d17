import type { CryptoKey } from 'jose'
import { encodeText, hashText, parseJsonObject, sha256 } from '../../account-keys/encoding.ts'
import type { PublicJwk } from '../../account-keys/jwk.ts'
import { type Content, parseContent, type ReceivedContent, writeContent } from './content.ts'
import { EncryptionError } from './errors.ts'
import { decryptByAny, decryptJwe, encryptJwe, readJweHeader } from './jwe.ts'
import { readJws, signJws, verifyJws } from './jws.ts'
import { importEncryptionKey, importSigningKey } from './key-handles.ts'
import { findSigner, type KeyHistory } from './key-history.ts'
import { pad, unpad } from './padding.ts'

/** A message as it is sent: encrypted once, and the key to it once for each member. */
export interface SealedMessage {
  /** The signed and encrypted message: a compact JWE. */
  shared: string
  /** A compact JWE for each member, by user id. */
  copies: Record<string, string>
  /** The hash of the signed message, to which the next one of this device refers as `previous`. */
  hash: string
}

/** What a message is sealed from. */
export interface SealInput {
  content: Content
  signer: { kid: string; privateKey: CryptoKey }
  /** The encryption key of each member with account keys, by user id, from a verified history. */
  recipients: ReadonlyMap<string, PublicJwk>
}

/** A received message, and what its receiver knows of its sender. */
export interface OpenInput {
  /** The receiver's copy. */
  copy: string
  /** Absent if the server sent none. */
  shared: string | undefined
  /** The receiver's private keys, newest first. */
  keys: readonly CryptoKey[]
  /** What the server says of the message. */
  envelope: { conversation: string; sender: string }
  /** The verified key history of the sender whom the server names. */
  history: KeyHistory
}

/** Why a message is not shown. `docs/encryption.md` states what a client says of each. */
export type MessageFailure =
  | 'too_large'
  | 'malformed_copy'
  | 'undecryptable_copy'
  | 'shared_missing'
  | 'shared_altered'
  | 'malformed_message'
  | 'unknown_key'
  | 'bad_signature'
  | 'wrong_sender'
  | 'wrong_conversation'

/** A message whose signature, sender and conversation are right. Its place among others is for {@link appendToChain} to check. */
export interface VerifiedMessage {
  ok: true
  content: ReceivedContent
  /** The hash of the signed message. */
  hash: string
  /** When the sender replaced the key that signed it, by the sender's clock; undefined if it is in use. */
  keyReplacedAt: string | undefined
}

/** A verified message, or why there is none. */
export type OpenedMessage = VerifiedMessage | { ok: false; failure: MessageFailure }

const MAX_COPY_LENGTH = 2048
const MAX_SHARED_LENGTH = 65_536
const KEY_BYTES = 32

/** Signs content and encrypts it to the recipients. Throws `invalid_content`, `message_too_large` or `invalid_keys`. */
export async function sealMessage({ content, signer, recipients }: SealInput): Promise<SealedMessage> {
  const text = writeContent(content)
  const parsed = parseJsonObject(text)
  if (!parsed || !parseContent(parsed)) {
    throw new EncryptionError('invalid_content', 'The content does not follow the message format.')
  }
  const jws = await signJws('parley+jws', signer.kid, signer.privateKey, text)
  const padded = pad(jws)
  if (!padded) throw new EncryptionError('message_too_large', 'The message is too large.')
  const contentKey = crypto.getRandomValues(new Uint8Array(KEY_BYTES))
  const shared = await encryptJwe('dir', contentKey, padded)
  const secret = new Uint8Array([...contentKey, ...(await sha256(encodeText(shared)))])
  const copies = [...recipients].map(async ([userId, jwk]) => {
    return [userId, await encryptJwe('ECDH-ES+A256KW', await importEncryptionKey(jwk), secret)] as const
  })
  return { shared, copies: Object.fromEntries(await Promise.all(copies)), hash: await hashText(jws) }
}

/** Decrypts and verifies a message. A failure is a result, because a client shows it in the message's place. */
export async function openMessage(input: OpenInput): Promise<OpenedMessage> {
  const jws = await decrypt(input)
  return typeof jws === 'string' ? failed(jws) : verify(jws.text, input)
}

/** Whether a copy is one of this format. Others are those of original clients. */
export function isSealedCopy(copy: string): boolean {
  return copy.split('.').length === 5
}

async function decrypt({ copy, shared, keys }: OpenInput): Promise<{ text: string } | MessageFailure> {
  if (copy.length > MAX_COPY_LENGTH || (shared?.length ?? 0) > MAX_SHARED_LENGTH) return 'too_large'
  if (!readJweHeader('ECDH-ES+A256KW', copy)) return 'malformed_copy'
  const secret = await decryptByAny(copy, keys)
  if (!secret) return 'undecryptable_copy'
  if (secret.length !== KEY_BYTES + 32) return 'malformed_copy'
  if (shared === undefined) return 'shared_missing'
  const hash = await sha256(encodeText(shared))
  if (!hash.every((byte, index) => byte === secret[KEY_BYTES + index])) return 'shared_altered'
  if (!readJweHeader('dir', shared)) return 'malformed_message'
  const padded = await decryptJwe('dir', shared, secret.subarray(0, KEY_BYTES))
  const text = padded && unpad(padded)
  return text === undefined ? 'malformed_message' : { text }
}

async function verify(text: string, { envelope, history }: OpenInput): Promise<OpenedMessage> {
  const jws = readJws('parley+jws', text)
  if (!jws) return failed('malformed_message')
  const signer = findSigner(history, jws.kid)
  if (!signer) return failed('unknown_key')
  const value = await verifyJws(jws, await importSigningKey(signer.signing_key))
  if (value === 'bad_signature') return failed('bad_signature')
  const content = value && parseContent(value)
  if (!content) return failed('malformed_message')
  if (content.sender !== envelope.sender) return failed('wrong_sender')
  if (content.conversation !== envelope.conversation) return failed('wrong_conversation')
  const keyReplacedAt = history[signer.version]?.issued_at
  return { ok: true, content, hash: await hashText(text), keyReplacedAt }
}

function failed(failure: MessageFailure): OpenedMessage {
  return { ok: false, failure }
}
