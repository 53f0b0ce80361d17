import type {
  ConversationContext,
  MessageSource,
  OpenedMessage,
  Problem,
  Verification,
} from '../conversations/codec.ts'
import { timeOf } from '../conversations/wire-events.ts'
import { compareHeads, type HeadsVerdict } from '../encryption/heads.ts'
import { headOf } from '../encryption/key-history.ts'
import { isSealedCopy, openMessage, type VerifiedMessage } from '../encryption/message.ts'
import { revisionOf } from '../encryption/revision.ts'
import type { KeyDirectory } from '../keys/key-directory.ts'
import type { AccountKeys } from '../keys/own-keys.ts'
import type { VerifiedContacts } from '../keys/verified-contacts.ts'
import type { Store } from '../stores/store.ts'
import type { WireMessage } from '../wire.ts'
import { ConversationMemory } from './conversation-memory.ts'
import type { MessageParts } from './message-parts.ts'
import { currentHeads } from './message-writer.ts'
import type { Origin } from './origin.ts'
import { headsProblem, isFatal, placeProblem, revisionProblem } from './problems.ts'

/** Reads messages in the format `parley.1`, and those of original clients. */
export class MessageReader {
  readonly #store: Store
  readonly #keys: AccountKeys
  readonly #directory: KeyDirectory
  readonly #contacts: VerifiedContacts
  readonly #memories = new Map<string, Promise<ConversationMemory>>()
  /** Heads that stayed unknown after the keys were fetched anew: fetching them again does not help. */
  readonly #unknownHeads = new Set<string>()

  constructor(options: MessageParts) {
    this.#store = options.store
    this.#keys = options.keys
    this.#directory = options.directory
    this.#contacts = options.contacts
  }

  /** Remembers the members and their keys, which other members may have seen when they sent. */
  async noteHeads(context: ConversationContext): Promise<void> {
    const memory = await this.#memoryOf(context.id)
    memory.addHeads(await currentHeads(context, this.#directory))
  }

  /** Reads a copy. What is wrong with it is among its problems. */
  async open(context: ConversationContext, wire: WireMessage, source: MessageSource): Promise<OpenedMessage> {
    if (!this.#keys.isUnlocked) return unreadable(wire, 'locked', [])
    return isSealedCopy(wire.content)
      ? this.#openSealed(context, wire, source)
      : this.#openOriginal(context, wire)
  }

  /** Notes that messages of a conversation are not read. */
  async skip(conversationId: string): Promise<void> {
    const memory = await this.#memoryOf(conversationId)
    memory.skip()
  }

  /** What is missing before the messages of a conversation that were read, when none is left to read. */
  async missingAtStart(conversationId: string): Promise<Problem[]> {
    const memory = await this.#memoryOf(conversationId)
    return memory.missingAtStart().map((count) => ({ code: 'missing', count }))
  }

  /** Stores what is known of the messages that were read. */
  async close(): Promise<void> {
    await Promise.allSettled([...this.#memories.values()].map(async (memory) => (await memory).flush()))
  }

  async #openSealed(
    context: ConversationContext,
    wire: WireMessage,
    source: MessageSource,
  ): Promise<OpenedMessage> {
    const { sender } = wire
    if (this.#directory.historyOf(sender).length === 0) await this.#directory.ensure([sender])
    let opened = await this.#decrypt(context, wire)
    if (!opened.ok && opened.failure === 'unknown_key') {
      await this.#directory.refresh([sender])
      opened = await this.#decrypt(context, wire)
    }
    if (!opened.ok) {
      await this.#noteUncounted(context, wire)
      return unreadable(wire, 'invalid', [{ code: opened.failure }])
    }
    const problems = await this.#check(context, wire, opened, source)
    if (problems.some(isFatal)) return unreadable(wire, 'invalid', problems)
    const { content, hash } = opened
    const origin: Origin = {
      device: content.device,
      counter: content.counter,
      previous: content.previous,
      original: content.original ?? hash,
      revision: content.revision,
    }
    return {
      id: content.id,
      type: content.type,
      body: content.body,
      revision: content.revision,
      sentAt: new Date(content.sent_at),
      verified: this.#verificationOf(sender, context.me),
      problems,
      origin,
    }
  }

  #decrypt({ id }: ConversationContext, { content: copy, shared, sender }: WireMessage) {
    return openMessage({
      copy,
      shared,
      keys: this.#keys.unlocked.decryption,
      envelope: { conversation: id, sender },
      history: this.#directory.historyOf(sender),
    })
  }

  async #check(
    context: ConversationContext,
    wire: WireMessage,
    opened: VerifiedMessage,
    source: MessageSource,
  ): Promise<Problem[]> {
    const memory = await this.#memoryOf(context.id)
    const revision = revisionOf(opened, wire.message_group)
    // Who the members of a group were when it was sent is only known of a message that has just been sent. This may ask the server, and
    // fail: the message is remembered afterwards, so that nothing is left out when it is read again.
    const hasHeads = source === 'live' || (source === 'missed' && context.isPrivate)
    const heads = hasHeads ? headsProblem(await this.#compareHeads(context, opened, memory)) : undefined
    const verdict = memory.compare(revision)
    const problems =
      verdict === undefined ? [placeProblem(memory.place(revision, source))] : [revisionProblem(verdict)]
    const isNew = verdict === undefined || verdict === 'newer'
    if (isNew) problems.push(heads)
    if (isNew && isLate(opened, wire, source)) problems.push({ code: 'replaced_key' })
    return problems.filter((problem) => problem !== undefined)
  }

  /** The sender may be ahead of this client: then the keys of the members are fetched anew. */
  async #compareHeads(
    context: ConversationContext,
    { content: { heads: stated } }: VerifiedMessage,
    memory: ConversationMemory,
  ): Promise<HeadsVerdict> {
    const compare = async () => {
      memory.addHeads(await currentHeads(context, this.#directory))
      const histories = [...context.members.keys()].map((id) => [id, this.#directory.historyOf(id)] as const)
      return compareHeads(stated, {
        current: new Map(histories.map(([id, history]) => [id, headOf(history)])),
        earlier: memory.heads,
        histories: new Map(histories.map(([id, history]) => [id, history.map(({ hash }) => hash)])),
      })
    }
    const verdict = await compare()
    if (verdict !== 'unknown' || this.#unknownHeads.has(stated)) return verdict
    await this.#directory.refresh([...context.members.keys()])
    const second = await compare()
    if (second === 'unknown') this.#unknownHeads.add(stated)
    return second
  }

  async #openOriginal(context: ConversationContext, wire: WireMessage): Promise<OpenedMessage> {
    await this.#noteUncounted(context, wire)
    const { readOriginal } = await import('../on-demand.ts')
    const text = await readOriginal(context, wire.content, this.#keys.unlocked.decryption)
    if (text === undefined) return unreadable(wire, 'invalid', [{ code: 'undecryptable_copy' }])
    await this.#directory.ensure([wire.sender])
    const isKeyed = this.#directory.historyOf(wire.sender).length > 0
    const problems = isKeyed ? [{ code: 'not_signed' }] : []
    return { ...unreadable(wire, 'unsigned', problems), type: 'text', body: { text } }
  }

  async #noteUncounted({ id }: ConversationContext, { sender }: WireMessage): Promise<void> {
    const memory = await this.#memoryOf(id)
    memory.noteUncounted(sender)
  }

  #verificationOf(sender: string, me: string): Verification {
    return sender === me || this.#contacts.isVerified(sender) ? 'verified' : 'signed'
  }

  #memoryOf(conversationId: string): Promise<ConversationMemory> {
    const known = this.#memories.get(conversationId)
    const memory = known ?? ConversationMemory.load(this.#store, conversationId)
    this.#memories.set(conversationId, memory)
    return memory
  }
}

/** Whether a message was sent with a key that its sender had replaced. One that was missed may be from before that. */
function isLate({ keyReplacedAt }: VerifiedMessage, wire: WireMessage, source: MessageSource): boolean {
  if (keyReplacedAt === undefined) return false
  return source === 'live' || timeOf(wire.updated_at) > new Date(keyReplacedAt)
}

/** A message of which nothing but the envelope is known. */
function unreadable(wire: WireMessage, verified: Verification, problems: Problem[]): OpenedMessage {
  const { message_group: id } = wire
  return {
    id,
    type: 'unreadable',
    body: {},
    revision: 0,
    sentAt: undefined,
    verified,
    problems,
    origin: null,
  }
}
