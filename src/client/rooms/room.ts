import { Transfer, type TransferOptions } from '../attachments/transfer.ts'
import type { Connection } from '../connection/connection.ts'
import type { Topic } from '../connection/topic.ts'
import { TypingAnnouncer, TypingUsers } from '../conversations/typing.ts'
import { Emitter } from '../emitter.ts'
import type { RejectedError } from '../errors.ts'
import type { Session } from '../session/session.ts'
import type { RoomTopic, WireRoomMessage, WireRoomMessagePage } from '../wire.ts'
import { messageOfEvent, messageOfList, type RoomMessage, type RoomMessageEvent } from './room-message.ts'
import { xhrFetch } from './xhr-fetch.ts'

const API = '/api/v1/chat'
const PAGE_SIZE = 10
/** Messages beyond this number are forgotten, oldest first. */
const MAX_MESSAGES = 1_000
/** After a longer absence the newest messages replace those that are known. */
const MAX_MISSED = 100
/** The slowest upload: bytes in a second. */
const MIN_UPLOAD_RATE = 2_048
const MIN_UPLOAD_TIMEOUT_MS = 60_000

/** What a room announces. */
export interface RoomEvents {
  /** A message was sent; also one that was missed, and one's own. */
  message: RoomMessage
  /** The messages are others than before: after the first join, and when too much was missed. */
  reset: RoomMessage[]
  /** The usernames of those who type, the user included. */
  typing: string[]
  /** How many members are online. */
  online: number
  /** A sentence for people: somebody was added or removed. */
  notice: string
  /** The user was removed, or has left. */
  removed: RejectedError
}

/** How a message of a room is sent. */
export interface RoomSendOptions {
  /** The message that this one replies to. */
  replyTo?: RoomMessage
  /** The id of this attempt, a UUID. Sending with the id of an earlier one does not send twice. */
  id?: string
}

/** How a file is sent to a room. `onProgress` is called while the file is uploaded in browsers only. */
export interface RoomMediaOptions extends RoomSendOptions, TransferOptions {
  /** Decides between audio and video where the bytes can be both. */
  format?: 'image' | 'audio' | 'video'
}

/** A room that stays joined through reconnects. */
export class Room extends Emitter<RoomEvents> {
  readonly id: string
  readonly #session: Session
  readonly #topic: Topic<RoomTopic>
  readonly #typing = new TypingUsers()
  readonly #announcer: TypingAnnouncer
  #messages = new Map<string, RoomMessage>()
  #online = 0
  /** Events are taken one after the other, after what was missed. */
  #work: Promise<void> = Promise.resolve()
  #sending: Promise<unknown> = Promise.resolve()

  constructor(id: string, session: Session, connection: Connection) {
    super()
    this.id = id
    this.#session = session
    const message = (event: RoomMessageEvent) => this.#enqueue(async () => this.#add(messageOfEvent(event)))
    this.#topic = connection.topic<RoomTopic>(`room:${id}`, {
      joined: () => this.#enqueue(() => this.#catchUp()),
      closed: (error) => this.emit('removed', error),
      events: {
        'chat.message': message,
        'chat.media': message,
        'chat.reply': message,
        'chat.typing': ({ username, content }) => this.#typed(username, content !== null),
        'chat.active': ({ content }) => this.#setOnline(content),
        'chat.notification': ({ content }) => this.emit('notice', content),
      },
    })
    this.#announcer = new TypingAnnouncer((event) => {
      const text = event === 'start_typing' ? 'typing' : 'stopped'
      this.#topic.push('typing', { message: text }).catch(() => {})
    })
  }

  /** The newest messages, oldest first. */
  get messages(): RoomMessage[] {
    return [...this.#messages.values()]
  }

  /** How many members are online. */
  get online(): number {
    return this.#online
  }

  /** The usernames of those who type, the user included. */
  get typing(): string[] {
    return this.#typing.ids
  }

  /** Joins the room. Resolves when its newest messages are known. @throws RejectedError */
  async open(): Promise<this> {
    this.#topic.reopen()
    await this.#topic.join()
    await this.#work
    return this
  }

  /** Sends a text. Resolves when it is stored, which may take until the next connection. @throws RejectedError */
  async send(text: string, { replyTo, id = crypto.randomUUID() }: RoomSendOptions = {}): Promise<void> {
    this.finishTyping()
    const payload = { message: text, client_message_id: id }
    const push = () =>
      replyTo
        ? this.#topic.pushUntilAnswered('reply', { ...payload, previous_message_id: replyTo.id })
        : this.#topic.pushUntilAnswered('message', payload)
    const sent = this.#sending.then(push)
    this.#sending = sent.catch(() => {})
    await sent
  }

  /** Uploads an image, audio or video, and sends it. @throws RejectedError; the reason of the signal. */
  async sendMedia(
    file: Blob,
    { replyTo, id = crypto.randomUUID(), format, onProgress, signal }: RoomMediaOptions = {},
  ): Promise<RoomMessage> {
    const body = new FormData()
    body.set('client_message_id', id)
    if (replyTo) body.set('previous_message_id', replyTo.id)
    if (format) body.set('media_format', format)
    body.set('file', file)
    const transfer = new Transfer(this.#session, [signal])
    const idleMs = MIN_UPLOAD_TIMEOUT_MS + (file.size / MIN_UPLOAD_RATE) * 1_000
    const report = onProgress && ((sent: number) => onProgress(Math.min(sent, file.size), file.size))
    const options = { body, idleMs, ...(report && { fetch: xhrFetch(report) }) }
    const message = await transfer.untilDone(() =>
      transfer.request('POST', `${this.#path}/media`, options, async (response) => {
        // Only the server's own responses are not errors.
        return (await response.json()) as WireRoomMessage
      }),
    )
    onProgress?.(file.size, file.size)
    return messageOfList(message)
  }

  /** Reads all messages, newest first, page by page as they are needed. */
  async *history(): AsyncGenerator<RoomMessage, void, undefined> {
    let url: string | null = `${API}/home/${encodeURIComponent(this.id)}`
    while (url !== null) {
      const page: WireRoomMessagePage = await this.#session.request('GET', url)
      yield* page.results.map(messageOfList)
      // The site may be reached under another address than its own.
      url = page.previous_messages && pathOf(page.previous_messages)
    }
  }

  /** Announces that the user is typing. Call it on every keystroke; few of them are sent. */
  startTyping(): void {
    this.#announcer.start()
  }

  /** Announces that the user has stopped typing. Sending a text does so too. */
  finishTyping(): void {
    this.#announcer.finish()
  }

  /** Leaves the room for good. @throws RejectedError `creator_stays` for its creator. */
  async leave(): Promise<void> {
    await this.#session.request('DELETE', `${this.#path}/users/${this.#session.user.id}`)
  }

  /** Stops receiving events. */
  leaveTopic(): void {
    this.#topic.leave()
  }

  get #path(): string {
    return `${API}/rooms/${encodeURIComponent(this.id)}`
  }

  #enqueue(run: () => Promise<void>): void {
    this.#work = this.#work.then(run).catch(() => {})
  }

  /** Announces what was sent while this client was disconnected; at first, and after too much, all that is known changes. */
  async #catchUp(): Promise<void> {
    const missed: RoomMessage[] = []
    const max = this.#messages.size > 0 ? MAX_MISSED : PAGE_SIZE
    let isComplete = false
    for await (const message of this.history()) {
      isComplete = this.#messages.has(message.id)
      if (isComplete || missed.push(message) === max) break
    }
    missed.reverse()
    if (isComplete) {
      for (const message of missed) this.#add(message)
    } else {
      this.#messages = new Map(missed.map((message) => [message.id, message]))
      this.emit('reset', missed)
    }
  }

  #add(message: RoomMessage): void {
    if (this.#messages.has(message.id)) return
    this.#messages.set(message.id, message)
    const [oldest] = this.#messages.keys()
    if (this.#messages.size > MAX_MESSAGES && oldest !== undefined) this.#messages.delete(oldest)
    this.emit('message', message)
  }

  #typed(username: string, isTyping: boolean): void {
    const isChange = isTyping ? this.#typing.started(username) : this.#typing.finished(username)
    if (isChange) this.emit('typing', this.typing)
  }

  #setOnline(count: number): void {
    this.#online = count
    this.emit('online', count)
  }
}

function pathOf(url: string): string {
  const { pathname, search } = new URL(url)
  return pathname + search
}
