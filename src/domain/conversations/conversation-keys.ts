import type { StoredKeys } from '../../db/queries/conversations/keys.ts'
import { invalidField } from '../../errors.ts'
import type { SealContext, Sealed, Vault } from '../vault/vault.ts'

/** A key as its client sent it, usually a JSON Web Key (RFC 7517). The server does not interpret it. */
export type Jwk = Record<string, unknown>

/** The keys that a member needs to read a conversation. Only their client can use the private key. */
export interface KeyPair {
  publicKey: Jwk
  privateKey: Jwk
}

export type KeyKind = 'public' | 'private'

/** The user and the conversation that a key belongs to. */
export interface KeyOwner {
  conversationId: string
  userId: string
}

/** Maximum size of a key as JSON. */
const MAX_KEY_BYTES = 16_384
/** Maximum nesting of objects and lists in a key. A JWK has at most three levels. */
const MAX_KEY_DEPTH = 8

/** Checks the nesting depth of a key pair. @throws AppError `validation_failed` when a key is nested too deeply. */
export function requireShallowKeys({ publicKey, privateKey }: KeyPair): void {
  requireShallow(publicKey, 'public_key')
  requireShallow(privateKey, 'private_key')
}

/** @throws AppError `validation_failed` when a key is too large. */
export function sealKeys(vault: Vault, owner: KeyOwner, { publicKey, privateKey }: KeyPair): StoredKeys {
  // The previous version reads the encrypted form, so a public key is written in both forms until the next release.
  const sealedPublic = vault.seal(serialize(publicKey, 'public_key'), contextOf(owner, 'public'))
  const sealedPrivate = vault.seal(serialize(privateKey, 'private_key'), contextOf(owner, 'private'))
  return {
    conversationId: owner.conversationId,
    userId: owner.userId,
    vaultKey: sealedPublic.vaultKey,
    publicKey: sealedPublic.bytes,
    publicJwk: publicKey,
    privateKey: sealedPrivate.bytes,
  }
}

/** Decrypts a key. Its fields keep the order in which the client sent them. */
export function openKey(vault: Vault, sealed: Sealed, owner: KeyOwner, kind: KeyKind): Jwk {
  return JSON.parse(vault.open(sealed, contextOf(owner, kind)))
}

/** Whether a stored key can be serialized. Keys that were stored before depth was checked may overflow the stack. */
export function isShallow(key: unknown): boolean {
  return fitsDepth(key, MAX_KEY_DEPTH)
}

function requireShallow(key: Jwk, field: string): void {
  if (!isShallow(key)) throw invalidField(field, 'is nested too deeply')
}

function serialize(key: Jwk, field: string): string {
  const json = JSON.stringify(key)
  if (Buffer.byteLength(json) > MAX_KEY_BYTES) {
    throw invalidField(field, `must have at most ${MAX_KEY_BYTES} bytes`)
  }
  return json
}

function fitsDepth(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return true
  return levels > 0 && Object.values(value).every((inner) => fitsDepth(inner, levels - 1))
}

function contextOf({ conversationId, userId }: KeyOwner, kind: KeyKind): SealContext {
  return ['encryption key', conversationId, userId, kind]
}
