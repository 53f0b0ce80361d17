import type { FileDownload } from '../attachments/download.ts'
import type { FileSource } from '../attachments/file-source.ts'
import type { TransferOptions } from '../attachments/transfer.ts'
import type { Connection } from '../connection/connection.ts'
import type { Topic } from '../connection/topic.ts'
import { Emitter } from '../emitter.ts'
import type { AttachedFile } from '../encryption/attachment.ts'
import { ParleyError, RejectedError } from '../errors.ts'
import type { SentReply } from '../outbox/entry.ts'
import type { Outbox } from '../outbox/outbox.ts'
import type { Session } from '../session/session.ts'
import type {
  ConversationTopic,
  ConversationEvents as Incoming,
  UserEvents,
  WireChange,
  WireMessage,
  WireMessages,
  WireOpenConversation,
} from '../wire.ts'
import { ChangeFeed } from './change-feed.ts'
import type { ConversationContext, KeyPair, MessageCodec, MessageSource, Problem } from './codec.ts'
import { type Content, contentOf, editedContent, type SendFilesOptions, type SendOptions } from './content.ts'
import type { ConversationEvents } from './conversation-events.ts'
import { ConversationState } from './conversation-state.ts'
import { readChanges, readMessages } from './history.ts'
import type { Member } from './member.ts'
import { type Message, messageOf } from './message.ts'
import { Timeline } from './timeline.ts'
import { TypingAnnouncer } from './typing.ts'

/** What a conversation needs from its account. */
export interface ConversationOptions {
  id: string
  session: Session
  connection: Connection
  codec: MessageCodec
  outbox: Outbox
  nameOf: (userId: string) => Member | undefined
}

/** A private conversation or a group. It joins its topic when it is first needed. */
export class Conversation extends Emitter<ConversationEvents> {
  readonly id: string
  readonly #options: ConversationOptions
  readonly #topic: Topic<ConversationTopic>
  readonly #state: ConversationState
  readonly #feed: ChangeFeed
  readonly #timeline = new Timeline()
  readonly #announcer: TypingAnnouncer

  constructor(options: ConversationOptions) {
    super()
    const { id, session, connection, nameOf } = options
    this.id = id
    this.#options = options
    this.#state = new ConversationState({
      ...{ id, nameOf },
      me: session.user.id,
      announce: (name, payload) => this.emit(name, payload),
    })
    this.#feed = new ChangeFeed({
      apply: (change, source) => this.#apply(change, source),
      reset: (page) => this.#reset(page),
      catchUp: (afterSeq) => readChanges(session, id, afterSeq),
      isJoined: () => this.#topic.isJoined,
      failed: () => this.#notice({ code: 'failed' }),
      ended: session.ended,
    })
    this.#topic = connection.topic<ConversationTopic>(`conversation:${id}`, {
      payload: () => (this.#feed.known === undefined ? {} : { after_seq: this.#feed.known }),
      joined: (reply) => this.#joined(reply),
      closed: (error) => this.emit('removed', error),
      events: {
        delete_message: (payload) => this.#feed.receive({ event: 'delete_message', payload }),
        update_alias: ({ conversation }) => this.#state.setAlias(conversation.alias),
        leave_conversation: ({ user_id }) => this.#state.remove(user_id),
        start_typing: ({ user_id }) => this.#state.startTyping(user_id),
        finish_typing: ({ user_id }) => this.#state.finishTyping(user_id),
        read_conversation: (payload) => this.#state.read(payload, this.messages),
        set_encryption_keys: (payload) => this.#keySet(payload),
      },
    })
    this.#announcer = new TypingAnnouncer((event) => void this.#topic.push(event, {}).catch(() => {}))
  }

  /** Whether it has exactly two members for good. Known once it is open. */
  get isPrivate(): boolean {
    return this.#state.isPrivate
  }

  get alias(): string | null {
    return this.#state.alias
  }

  get members(): Member[] {
    return this.#state.members
  }

  /** The newest messages, oldest first. */
  get messages(): Message[] {
    return this.#timeline.messages
  }

  /** How many messages of others the user has not read. */
  get unread(): number {
    return this.#state.unread
  }

  /** Who is typing, without the user. */
  get typing(): Member[] {
    return this.#state.typing
  }

  /** Up to which `seq` a member has read. */
  readSeq(userId: string): number {
    return this.#state.readSeq(userId)
  }

  /** Joins the conversation: its events come from now on. Resolves when its state is known. @throws RejectedError */
  async open(): Promise<this> {
    await this.#topic.join()
    await this.#feed.ready()
    return this
  }

  /** Stops receiving events, except those of messages. */
  leaveTopic(): void {
    this.#topic.leave()
  }

  /** Sends a message. Resolves when it is stored, which may take until the next connection. @throws RejectedError */
  async send(
    content: Content,
    { id = crypto.randomUUID(), allowUnsigned = false }: SendOptions = {},
  ): Promise<SentReply> {
    this.#options.codec.check()
    this.#announcer.finish()
    const { type, body } = contentOf(content)
    return this.#options.outbox.add(this.id, { kind: 'send', draft: { id, type, body }, allowUnsigned })
  }

  /** Replaces the content of one's own signed message; a text replaces its text only. @throws EncryptionError `invalid_content`, RejectedError */
  async edit(
    message: Message,
    content: Content,
    { allowUnsigned = false }: SendOptions = {},
  ): Promise<SentReply> {
    this.#options.codec.check()
    // Without an origin it is not signed: an edit would refer to nothing.
    if (message.origin === null) throw new ParleyError({ code: 'not_editable' })
    const draft = { id: message.id, ...editedContent(message, content), edits: message.origin }
    return this.#options.outbox.add(this.id, { kind: 'edit', group: message.group, draft, allowUnsigned })
  }

  /** Deletes one's own message. Members see that there was one. */
  async delete(message: Message): Promise<void> {
    const { codec, outbox } = this.#options
    codec.check()
    await this.open()
    const draft = { id: message.id, type: 'deleted', body: {}, edits: message.origin }
    const steps = message.origin === null ? (['delete'] as const) : codec.deletion(this.context)
    const outcomes = steps.map((kind) =>
      outbox.add(this.id, { kind, group: message.group, draft, allowUnsigned: true }),
    )
    await Promise.allSettled(outcomes)
    // If both are sent, the server deletes the message whether or not the edit could be written to all.
    await outcomes.at(-1)
  }

  /** Reacts to a message with an emoji. */
  react(message: Message, emoji: string, options: SendOptions = {}): Promise<SentReply> {
    return this.send({ type: 'reaction', body: { to: message.id, emoji } }, options)
  }

  /** Marks messages as read: up to a message, or all. */
  async markRead(upTo?: Message): Promise<void> {
    await this.#topic.pushUntilAnswered('read_conversation', upTo ? { seq: upTo.seq } : {})
  }

  /** Announces that the user is typing. Call it on every keystroke; few of them are sent. */
  startTyping(): void {
    this.#announcer.start()
  }

  /** Announces that the user has stopped typing. Sending a message does so too. */
  finishTyping(): void {
    this.#announcer.finish()
  }

  /** Encrypts and uploads a file. What it returns belongs into the `files` of a message of the type `attachment`, within a day. */
  async upload(file: FileSource, options: TransferOptions = {}): Promise<AttachedFile> {
    const { uploadFile } = await import('../on-demand.ts')
    return uploadFile(this.#options.session, this.id, file, options)
  }

  /** Uploads files, one after the other, and sends them as one message. `onProgress` counts the bytes of all of them. */
  async sendFiles(
    files: FileSource[],
    { text = '', onProgress, signal, ...options }: SendFilesOptions = {},
  ): Promise<SentReply> {
    this.#options.codec.check()
    const { uploadFiles } = await import('../on-demand.ts')
    const uploaded = await uploadFiles(this.#options.session, this.id, files, { onProgress, signal })
    return this.send({ type: 'attachment', body: { text, files: uploaded } }, options)
  }

  /** A file of a message, to be downloaded. */
  async download(file: AttachedFile, options: TransferOptions = {}): Promise<FileDownload> {
    const { FileDownload } = await import('../on-demand.ts')
    return new FileDownload(this.#options.session, this.id, file, options)
  }

  /** Names a group; null removes the name. */
  async rename(alias: string | null): Promise<void> {
    await this.#topic.pushUntilAnswered('change_alias', { alias })
  }

  /** Adds members to a group. They see none of the earlier messages. */
  async addMembers(userIds: string[]): Promise<void> {
    await this.#topic.pushUntilAnswered('modify_conversation', { new_members: userIds })
  }

  /** Leaves a group. */
  async leave(): Promise<void> {
    await this.#topic.push('leave_conversation', {}).catch((error) => {
      // The server closes the topic before it replies.
      if (!this.#topic.isClosed) throw error
    })
  }

  /** Reads all messages, newest first, page by page as they are needed. */
  async *history(): AsyncGenerator<Message, void, undefined> {
    await this.open()
    for await (const wire of readMessages(this.#options.session, this.id))
      yield this.#orKnown(await this.#open(wire, 'older'))
    await this.#complete()
  }

  /** Messages, edits and deletions that are not sent yet. */
  pending(): ReturnType<Outbox['pending']> {
    return this.#options.outbox.pending(this.id)
  }

  /** What the encryption of messages depends on. @internal */
  get context(): ConversationContext {
    return this.#state.context
  }

  /** The topic, for the outbox. @internal */
  get topic(): Topic<ConversationTopic> {
    return this.#topic
  }

  /** Announces that a member has other keys. @internal */
  keysChanged(userId: string, problem: Problem): void {
    const member = this.members.find(({ id }) => id === userId)
    if (!member) return
    this.emit('keys', member)
    this.#notice(problem)
  }

  /** Reads the newest messages again, with other keys. @internal */
  async reread(): Promise<void> {
    if (!this.#state.isKnown) return
    await this.#feed.between(async () => this.#feed.forget())
    await this.#topic.rejoin()
  }

  /** Takes an event of the user's own topic. @internal */
  receive(change: WireChange): void {
    this.#feed.receive(change)
  }

  /** Takes the members and the alias that an event has. @internal */
  changed({ conversation, user_ids }: UserEvents['new_conversation']): void {
    this.#topic.reopen()
    if (!this.#state.isKnown) return
    this.#state.setAlias(conversation.alias)
    // The reply to a join tells who the new ones are, and which keys they have.
    if (!this.#state.hasMembers(user_ids)) this.#topic.rejoin().catch(() => {})
  }

  #joined(reply: WireOpenConversation): void {
    this.#state.replace(reply)
    const { codec } = this.#options
    void this.#feed.between(async () => {
      const problems = await codec.joined(this.context, (keys) => this.#setKeys(keys))
      for (const problem of problems) this.#notice(problem)
    })
    void this.#feed.joined(reply)
  }

  async #setKeys(keys: KeyPair): Promise<void> {
    this.#state.setPrivateKey(keys.private_key)
    try {
      await this.#topic.pushUntilAnswered('set_encryption_keys', keys)
    } catch (error) {
      // Another device of the user was faster.
      if (error instanceof RejectedError && error.code === 'keys_already_set') return this.#topic.rejoin()
      throw error
    }
  }

  async #apply(change: WireChange, source: MessageSource): Promise<void> {
    if (change.event === 'delete_message') return this.#deleted(change.payload.message_group_id)
    const message = await this.#open(change.payload.message, source)
    for (const problem of message.problems) this.#notice(problem)
    if (change.event === 'new_message') this.#received(message)
    else this.#edited(message)
  }

  #received(message: Message): void {
    this.#timeline.add(message)
    this.#state.finishTyping(message.sender.id)
    this.emit('message', message)
    this.#state.count(message)
  }

  #edited(edit: Message): void {
    const message = this.#orKnown(edit)
    this.#timeline.replace(message)
    this.emit(message.isDeleted ? 'delete' : 'edit', message)
  }

  #deleted(group: string): void {
    const message = this.#timeline.get(group)
    this.#timeline.delete(group)
    if (!message || message.isDeleted) return
    const problems = isSigned(message) ? [{ code: 'deletion_not_signed' }] : []
    for (const problem of problems) this.#notice(problem)
    this.emit('delete', { ...message, problems: [...message.problems, ...problems], isDeleted: true })
  }

  async #reset({ items, page_token }: WireMessages): Promise<void> {
    if (page_token) await this.#options.codec.skip(this.context)
    const messages: Message[] = []
    for (const wire of [...items].reverse()) messages.push(this.#orKnown(await this.#open(wire, 'missed')))
    this.#timeline.reset(messages)
    this.emit('reset', messages)
    if (!page_token) await this.#complete()
  }

  /** Tells what is missing before the first messages. */
  async #complete(): Promise<void> {
    for (const problem of await this.#options.codec.complete(this.context)) this.#notice(problem)
  }

  async #open(wire: WireMessage, source: MessageSource): Promise<Message> {
    const opened = await this.#options.codec.open(this.context, wire, source)
    return messageOf(wire, opened, this.#state.memberOf(wire.sender), this.#options.session.user.id)
  }

  /** What must not be believed does not take the place of a message that is. */
  #orKnown(message: Message): Message {
    const known = this.#timeline.get(message.group)
    if (message.verified !== 'invalid' || !known || known.verified === 'invalid') return message
    return { ...known, problems: [...known.problems, ...message.problems] }
  }

  #keySet(payload: Incoming['set_encryption_keys']): void {
    // The reply to a join has the private half.
    if (this.#state.setPublicKey(payload)) this.#topic.rejoin().catch(() => {})
  }

  #notice(problem: Problem): void {
    this.emit('notice', problem)
  }
}

function isSigned({ verified }: Message): boolean {
  return verified === 'signed' || verified === 'verified'
}
