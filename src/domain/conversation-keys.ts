import type { SealedKeys } from '../db/queries/keys.ts'
import { AppError, invalidField } from '../errors.ts'
import type { SealContext, Sealed, Vault } from './vault.ts'

/** A key as its client made it, by custom a JSON Web Key (RFC 7517): the server never looks inside. */
export type Jwk = Record<string, unknown>

/** What a member needs to read a conversation; the private key is one that only their client can use. */
export interface KeyPair {
  publicKey: Jwk
  privateKey: Jwk
}

export type KeyKind = 'public' | 'private'

/** Whose key it is, and for which conversation. */
export interface KeyOwner {
  conversationId: string
  userId: string
}

/** Bytes of JSON that one key may have. */
const MAX_KEY_BYTES = 16_384

/** @throws AppError `validation_failed` when a key is too large. */
export function sealKeys(vault: Vault, owner: KeyOwner, { publicKey, privateKey }: KeyPair): SealedKeys {
  const sealedPublic = vault.seal(serialize(publicKey, 'public_key'), contextOf(owner, 'public'))
  const sealedPrivate = vault.seal(serialize(privateKey, 'private_key'), contextOf(owner, 'private'))
  return {
    conversationId: owner.conversationId,
    userId: owner.userId,
    vaultKey: sealedPublic.vaultKey,
    publicKey: sealedPublic.bytes,
    privateKey: sealedPrivate.bytes,
  }
}

/** Opens one key, with its fields in the order its client sent them. */
export function openKey(vault: Vault, sealed: Sealed, owner: KeyOwner, kind: KeyKind): Jwk {
  return JSON.parse(vault.open(sealed, contextOf(owner, kind)))
}

function serialize(key: Jwk, field: string): string {
  const json = stringify(key, field)
  if (Buffer.byteLength(json) > MAX_KEY_BYTES) {
    throw invalidField(field, `must have at most ${MAX_KEY_BYTES} bytes`)
  }
  return json
}

/** Reading JSON knows no depth, writing it has an end: that of the stack. */
function stringify(key: Jwk, field: string): string {
  try {
    return JSON.stringify(key)
  } catch (cause) {
    throw new AppError('validation_failed', { fields: { [field]: ['is nested too deeply'] }, cause })
  }
}

function contextOf({ conversationId, userId }: KeyOwner, kind: KeyKind): SealContext {
  return ['encryption key', conversationId, userId, kind]
}
