import type { CryptoKey } from 'jose'
import type { PublicJwk } from '../../account-keys/jwk.ts'
import type { ConversationContext, KeyPair } from '../conversations/codec.ts'
import type { Content } from '../encryption/content.ts'
import {
  createConversationKeys,
  decryptOriginal,
  encryptOriginal,
  importOriginalKey,
  openConversationKey,
  originalText,
} from '../encryption/original-copies.ts'
import { RecipientsError } from '../errors.ts'

/** Copies for members who have nothing but the key of an original client. @throws RecipientsError if one has none. */
export async function originalCopies(
  { publicKeys }: ConversationContext,
  userIds: string[],
  content: Content,
): Promise<Record<string, string>> {
  const missing = userIds.filter((id) => !publicKeys[id])
  if (missing.length > 0) throw new RecipientsError('members_without_keys', missing)
  const text = originalText(content)
  const copies = userIds.map(async (id) => {
    return [id, await encryptOriginal(await importOriginalKey(publicKeys[id]), text)] as const
  })
  return Object.fromEntries(await Promise.all(copies))
}

/** A key pair for one conversation, with which members without account keys write to this user. */
export async function makeConversationKeys(conversationId: string, own: PublicJwk): Promise<KeyPair> {
  const { public_key, private_key } = await createConversationKeys(conversationId, own)
  return { public_key: { ...public_key }, private_key: { ...private_key } }
}

/** The text of a copy that an original client made; undefined if it cannot be read. */
export async function readOriginal(
  { id, privateKey }: ConversationContext,
  copy: string,
  keys: readonly CryptoKey[],
): Promise<string | undefined> {
  const key = privateKey && (await openConversationKey(id, privateKey, keys).catch(() => undefined))
  return key ? decryptOriginal(key, copy) : undefined
}
