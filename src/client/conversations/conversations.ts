import type { Connection } from '../connection/connection.ts'
import type { Topic } from '../connection/topic.ts'
import { Emitter } from '../emitter.ts'
import { RecipientsError, RejectedError } from '../errors.ts'
import type { Outbox } from '../outbox/outbox.ts'
import { readPages } from '../session/pages.ts'
import type { Session } from '../session/session.ts'
import type { SystemTopic, UserEvents, WireChange, WireConversation, WireConversationPage } from '../wire.ts'
import type { MessageCodec, Problem } from './codec.ts'
import { Conversation } from './conversation.ts'
import { findUser } from './directory.ts'
import { type Member, memberOf } from './member.ts'
import { timeOf } from './wire-events.ts'

/** A conversation in a list. */
export interface ConversationSummary {
  id: string
  isPrivate: boolean
  alias: string | null
  lastSeq: number
  readSeq: number
  unread: number
  createdAt: Date
  updatedAt: Date
}

/** What the list of conversations announces. */
export interface ConversationsEvents {
  /** The user is a member of a conversation that this client did not know. */
  added: Conversation
  /** A message was sent in some conversation, open or not. */
  activity: { conversation: Conversation; seq: number }
}

/** What the conversations of an account need. */
export interface ConversationsOptions {
  session: Session
  connection: Connection
  codec: MessageCodec
  outbox: () => Outbox
  systemTopic: Topic<SystemTopic>
}

/** The conversations of an account. */
export class Conversations extends Emitter<ConversationsEvents> {
  readonly #options: ConversationsOptions
  readonly #byId = new Map<string, Conversation>()
  readonly #people = new Map<string, Member>()

  constructor(options: ConversationsOptions) {
    super()
    this.#options = options
  }

  /** A conversation by its id. It is not checked whether it exists. */
  get(id: string): Conversation {
    const known = this.#byId.get(id)
    if (known) return known
    const { session, connection, codec, outbox } = this.#options
    const conversation = new Conversation({
      ...{ id, session, connection, codec },
      outbox: outbox(),
      nameOf: (userId) => this.#people.get(userId),
    })
    this.#byId.set(id, conversation)
    return conversation
  }

  /** The conversations, newest first, page by page as they are needed. */
  async *list(): AsyncGenerator<ConversationSummary, void, undefined> {
    const pageOf = (page: WireConversationPage) => page
    const pages = readPages(this.#options.session, '/api/conversations', { page_size: '100' }, pageOf)
    for await (const { users, items } of pages) {
      for (const user of users) this.#people.set(user.id, memberOf(user))
      yield* items.map(summaryOf)
    }
  }

  /** Finds or starts the private conversation with a user, by id or email address, and opens it. */
  async with(user: string): Promise<Conversation> {
    const { session } = this.#options
    const userId = await findUser(session, user)
    const id = (await this.#findPrivate(userId)) ?? (await this.#startPrivate(userId))
    const conversation = await this.get(id).open()
    const others = conversation.members.filter((member) => member.id !== session.user.id)
    if (!conversation.isPrivate || others.some((member) => member.id !== userId)) {
      throw new RecipientsError(
        'wrong_members',
        others.map((member) => member.id),
      )
    }
    return conversation
  }

  /** Starts a group with users, by id or email address, and opens it. */
  async startGroup(users: string[], { alias }: { alias?: string } = {}): Promise<Conversation> {
    const { session, systemTopic, codec } = this.#options
    const userIds = await Promise.all(users.map((user) => findUser(session, user)))
    const id = await systemTopic.push('start_group_conversation', {
      user_ids: userIds,
      ...(alias !== undefined && { alias }),
      ...(await codec.startKeys()),
    })
    return this.get(id).open()
  }

  /** Reads the messages of all open conversations again, with other keys. @internal */
  async reread(): Promise<void> {
    await Promise.all([...this.#byId.values()].map((conversation) => conversation.reread()))
  }

  /** Announces that a user has other keys, in the open conversations with them. @internal */
  keysChanged(userId: string, problem: Problem): void {
    for (const conversation of this.#byId.values()) conversation.keysChanged(userId, problem)
  }

  /** Takes an event of the user's own topic. @internal */
  receive(change: Exclude<WireChange, { event: 'delete_message' }>): void {
    const conversation = this.get(change.payload.conversation_id)
    conversation.receive(change)
    if (change.event === 'new_message') {
      this.emit('activity', { conversation, seq: change.payload.message.seq })
    }
  }

  /** Takes an event of the user's own topic. @internal */
  changed(event: UserEvents['new_conversation']): void {
    const isNew = !this.#byId.has(event.conversation.id)
    const conversation = this.get(event.conversation.id)
    conversation.changed(event)
    if (isNew) this.emit('added', conversation)
  }

  async #findPrivate(userId: string): Promise<string | null> {
    const path = `/api/conversations/private/${encodeURIComponent(userId)}`
    const { conversation_id } = await this.#options.session.request<{ conversation_id: string | null }>(
      'GET',
      path,
    )
    return conversation_id
  }

  async #startPrivate(userId: string): Promise<string> {
    const { systemTopic, codec } = this.#options
    try {
      return await systemTopic.push('start_private_conversation', {
        other_user_id: userId,
        ...(await codec.startKeys()),
      })
    } catch (error) {
      const exists = error instanceof RejectedError && error.code === 'conversation_already_exists'
      const id = exists ? await this.#findPrivate(userId) : null
      if (id === null) throw error
      return id
    }
  }
}

function summaryOf(conversation: WireConversation): ConversationSummary {
  return {
    id: conversation.id,
    isPrivate: conversation.private,
    alias: conversation.alias,
    lastSeq: conversation.last_seq,
    readSeq: conversation.read_seq,
    unread: conversation.unread ?? 0,
    createdAt: timeOf(conversation.inserted_at),
    updatedAt: timeOf(conversation.updated_at),
  }
}
