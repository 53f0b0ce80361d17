import { encodeBase64url } from '../../account-keys/encoding.ts'
import type {
  ConversationContext,
  Draft,
  KeyPair,
  SealedMessage,
  SealOptions,
} from '../conversations/codec.ts'
import type { Content, MessageFrame } from '../encryption/content.ts'
import { hashHeads } from '../encryption/heads.ts'
import { headOf } from '../encryption/key-history.ts'
import { sealMessage } from '../encryption/message.ts'
import { RecipientsError } from '../errors.ts'
import type { KeyDirectory } from '../keys/key-directory.ts'
import type { AccountKeys } from '../keys/own-keys.ts'
import type { VerifiedContacts } from '../keys/verified-contacts.ts'
import type { Store } from '../stores/store.ts'
import type { MessageParts } from './message-parts.ts'
import type { Origin } from './origin.ts'

const DEVICE_KEY = 'device'
const CHAIN_PREFIX = 'chain/'

/** The last message of this device that the server has stored. */
interface StoredChain {
  counter: number
  previous: string
}

/** Writes messages in the format `parley.1`. */
export class MessageWriter {
  readonly #store: Store
  readonly #keys: AccountKeys
  readonly #directory: KeyDirectory
  readonly #contacts: VerifiedContacts

  constructor(options: MessageParts) {
    this.#store = options.store
    this.#keys = options.keys
    this.#directory = options.directory
    this.#contacts = options.contacts
  }

  /** Signs a message and encrypts it for the members. @throws RecipientsError, KeysLockedError */
  async seal(context: ConversationContext, draft: Draft, options: SealOptions): Promise<SealedMessage> {
    const userIds = [...context.members.keys()]
    await this.#directory.ensure(userIds)
    await this.#checkKeys(userIds)
    const { signer } = this.#keys.unlocked
    const content = await this.#contentOf(context, draft)
    const recipients = new Map(
      userIds.flatMap((id) => {
        const entry = this.#directory.historyOf(id).at(-1)
        return entry ? [[id, entry.encryption_key] as const] : []
      }),
    )
    const others = userIds.filter((id) => !recipients.has(id))
    if (others.length > 0 && !options.allowUnsigned) throw new RecipientsError('unsigned_members', others)
    const originals = others.length > 0 ? await originalCopiesOf(context, others, content) : {}
    const { shared, copies, hash } = await sealMessage({ content, signer, recipients })
    const files = content.type === 'attachment' ? content.body.files.map(({ id }) => id) : undefined
    return {
      payload: {
        encrypted_messages: { ...copies, ...originals },
        shared,
        // An edit that lists none drops those of the message.
        ...((files || content.revision > 0) && { attachments: files ?? [] }),
      },
      receipt: draft.edits ? null : { counter: content.counter, previous: hash },
    }
  }

  /** Remembers that the server has stored a message: the next one refers to it. */
  async stored(conversationId: string, receipt: unknown): Promise<void> {
    if (!isChain(receipt)) return
    await this.#store.update(CHAIN_PREFIX + conversationId, (value) =>
      isChain(value) && value.counter >= receipt.counter ? value : receipt,
    )
  }

  /** Sets the key with which members without account keys write to this one. */
  async offerKey(
    { id, members, privateKey }: ConversationContext,
    setKeys: (keys: KeyPair) => Promise<void>,
  ): Promise<void> {
    const isNeeded = [...members.keys()].some((userId) => this.#directory.historyOf(userId).length === 0)
    if (!isNeeded || privateKey || !this.#keys.isUnlocked) return
    const { makeConversationKeys } = await import('../on-demand.ts')
    await setKeys(await makeConversationKeys(id, this.#keys.unlocked.encryptionKey))
  }

  /** Throws if the keys of some members must not be used. */
  async #checkKeys(userIds: string[]): Promise<void> {
    // These have account keys: the key of a conversation is not used in their place.
    const rejected = userIds.filter(
      (id) => this.#directory.historyOf(id).length === 0 && this.#directory.rejectionOf(id) !== undefined,
    )
    if (rejected.length > 0) throw new RecipientsError('keys_rejected', rejected)
    await this.#contacts.loaded()
    const reset = userIds.filter((id) => this.#contacts.isOutdated(id))
    if (reset.length > 0) throw new RecipientsError('keys_reset', reset)
  }

  async #contentOf(context: ConversationContext, { id, type, body, edits }: Draft): Promise<Content> {
    const heads = await currentHeads(context, this.#directory)
    const place = edits ? editOf(edits as Origin) : await this.#nextPlace(context.id)
    const frame: MessageFrame = {
      ...{ conversation: context.id, sender: context.me, id, sent_at: new Date().toISOString(), heads },
      ...place,
    }
    // The library checks the body against the type.
    return { ...frame, type, body } as Content
  }

  async #nextPlace(conversationId: string) {
    const device = await this.#device()
    const last = await this.#store.get(CHAIN_PREFIX + conversationId)
    const { counter, previous } = isChain(last) ? last : { counter: 0, previous: null }
    return { device, counter: counter + 1, previous, revision: 0 }
  }

  async #device(): Promise<string> {
    const id = await this.#store.update(
      DEVICE_KEY,
      (known) => known ?? encodeBase64url(crypto.getRandomValues(new Uint8Array(16))),
    )
    return String(id)
  }
}

/** The hash over the members and the heads of their histories, as this client sees them. */
export function currentHeads(
  { members }: Pick<ConversationContext, 'members'>,
  directory: KeyDirectory,
): Promise<string> {
  return hashHeads(new Map([...members.keys()].map((id) => [id, headOf(directory.historyOf(id))])))
}

async function originalCopiesOf(context: ConversationContext, userIds: string[], content: Content) {
  const { originalCopies } = await import('../on-demand.ts')
  return originalCopies(context, userIds, content)
}

/** An edit keeps the place of the original. */
function editOf({ device, counter, previous, original, revision }: Origin) {
  return { device, counter, previous, original, revision: revision + 1 }
}

function isChain(value: unknown): value is StoredChain {
  return typeof value === 'object' && value !== null && 'counter' in value
}
