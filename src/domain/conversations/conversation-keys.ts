import type { PrivateKeys } from '../../config/config.ts'
import type { StoredKeys } from '../../db/queries/conversations/keys.ts'
import { invalidField } from '../../errors.ts'
import { isLockedJwk } from '../account-keys/locked-keys.ts'
import type { SealContext, Sealed, Vault } from '../vault/vault.ts'

/** A key as its client sent it, usually a JSON Web Key (RFC 7517). The server does not interpret it. */
export type Jwk = Record<string, unknown>

/** The keys that a member needs to read a conversation. Only their client can use the private key. */
export interface KeyPair {
  publicKey: Jwk
  privateKey: Jwk
}

/** The keys for a new conversation. Both may be absent if the creator's account has a key set. */
export interface OptionalKeyPair {
  publicKey?: Jwk | undefined
  privateKey?: Jwk | undefined
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

/**
 * Checks the nesting depth of a key pair, and that its private key is locked where the site demands it.
 * @throws AppError `validation_failed`.
 */
export function checkKeyPair({ publicKey, privateKey }: KeyPair, mode: PrivateKeys): void {
  requireShallow(publicKey, 'public_key')
  requireShallow(privateKey, 'private_key')
  if (mode === 'locked' && !isLockedJwk(privateKey)) {
    throw invalidField(
      'private_key',
      'must be locked on this server: its d a JWE in compact serialization, without p, q, dp, dq, qi, oth and k',
    )
  }
}

/** The key pair, or undefined if both keys are absent. @throws AppError `validation_failed` if only one is. */
export function readOptionalKeys({ publicKey, privateKey }: OptionalKeyPair): KeyPair | undefined {
  if (publicKey && privateKey) return { publicKey, privateKey }
  if (publicKey) throw invalidField('private_key', 'is required')
  if (privateKey) throw invalidField('public_key', 'is required')
  return undefined
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
