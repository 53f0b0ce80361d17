import type { ConversationEvents as Incoming, WireOpenConversation } from '../wire.ts'
import type { ConversationContext, KeyPair } from './codec.ts'
import type { ConversationEvents } from './conversation-events.ts'
import { type Member, memberOf, unknownMember } from './member.ts'
import type { Message } from './message.ts'
import { TypingUsers } from './typing.ts'

/** What the state of a conversation depends on. */
export interface ConversationStateOptions {
  id: string
  /** The id of the user. */
  me: string
  nameOf: (userId: string) => Member | undefined
  announce: <Name extends keyof ConversationEvents>(name: Name, payload: ConversationEvents[Name]) => void
}

/** What a conversation is besides its messages: its members and keys, its name, who types, and what was read. */
export class ConversationState {
  readonly #options: ConversationStateOptions
  readonly #typing = new TypingUsers()
  #reply:
    | Pick<WireOpenConversation, 'conversation' | 'public_keys' | 'private_key' | 'account_keys'>
    | undefined
  #members = new Map<string, Member>()
  #readSeqs = new Map<string, number>()
  #alias: string | null = null
  #unread = 0

  constructor(options: ConversationStateOptions) {
    this.#options = options
  }

  /** Whether the conversation was joined. */
  get isKnown(): boolean {
    return this.#reply !== undefined
  }

  get isPrivate(): boolean {
    return this.#reply?.conversation.private ?? false
  }

  get alias(): string | null {
    return this.#alias
  }

  get members(): Member[] {
    return [...this.#members.values()]
  }

  get unread(): number {
    return this.#unread
  }

  /** Who is typing, without the user. */
  get typing(): Member[] {
    const ids = this.#typing.ids.filter((id) => id !== this.#options.me)
    return ids.map((id) => this.memberOf(id))
  }

  /** What the encryption of messages depends on. */
  get context(): ConversationContext {
    const { id, me } = this.#options
    return {
      ...{ id, me },
      isPrivate: this.isPrivate,
      members: this.#members,
      publicKeys: this.#reply?.public_keys ?? {},
      privateKey: this.#reply?.private_key ?? null,
      accountKeys: this.#reply?.account_keys ?? {},
    }
  }

  /** Up to which `seq` a member has read. */
  readSeq(userId: string): number {
    return this.#readSeqs.get(userId) ?? 0
  }

  /** A member, or a user who was one. */
  memberOf(id: string): Member {
    return this.#members.get(id) ?? this.#options.nameOf(id) ?? unknownMember(id)
  }

  /** Whether the members are exactly these users. */
  hasMembers(userIds: string[]): boolean {
    return userIds.length === this.#members.size && userIds.every((id) => this.#members.has(id))
  }

  /** Takes the reply to a join. */
  replace(reply: WireOpenConversation): void {
    const before = [...this.#members.keys()].join()
    this.#reply = reply
    this.#members = new Map(reply.users.map((user) => [user.id, memberOf(user)]))
    this.#readSeqs = new Map(Object.entries(reply.read_seqs))
    this.#typing.clear()
    this.setAlias(reply.conversation.alias)
    this.#setUnread(reply.unread)
    if ([...this.#members.keys()].join() !== before) this.#options.announce('members', this.members)
  }

  setAlias(alias: string | null): void {
    if (alias === this.#alias) return
    this.#alias = alias
    this.#options.announce('alias', alias)
  }

  /** Sets the user's own half of the keys for this conversation. */
  setPrivateKey(privateKey: KeyPair['private_key']): void {
    if (this.#reply) this.#reply = { ...this.#reply, private_key: privateKey }
  }

  /** Takes the public key of a member. @returns whether the user's own private half is missing. */
  setPublicKey({ user_id, public_key }: Incoming['set_encryption_keys']): boolean {
    if (!this.#reply) return false
    this.#reply = { ...this.#reply, public_keys: { ...this.#reply.public_keys, [user_id]: public_key } }
    return user_id === this.#options.me && !this.#reply.private_key
  }

  /** Removes a member. */
  remove(userId: string): void {
    if (this.#members.delete(userId)) this.#options.announce('members', this.members)
  }

  startTyping(userId: string): void {
    if (this.#typing.started(userId)) this.#options.announce('typing', this.typing)
  }

  finishTyping(userId: string): void {
    if (this.#typing.finished(userId)) this.#options.announce('typing', this.typing)
  }

  /** Takes how far a member has read. `messages`: the newest ones. */
  read({ user_id, read_seq }: Incoming['read_conversation'], messages: Message[]): void {
    if (this.readSeq(user_id) >= read_seq) return
    this.#readSeqs.set(user_id, read_seq)
    if (user_id === this.#options.me) {
      this.#setUnread(messages.filter(({ mine, seq }) => !mine && seq > read_seq).length)
    }
    this.#options.announce('read', { member: this.memberOf(user_id), seq: read_seq })
  }

  /** Counts a message as unread, unless it is the user's own or was read elsewhere. */
  count({ mine, seq }: Message): void {
    if (!mine && this.readSeq(this.#options.me) < seq) this.#setUnread(this.#unread + 1)
  }

  #setUnread(unread: number): void {
    if (unread === this.#unread) return
    this.#unread = unread
    this.#options.announce('unread', unread)
  }
}
