import type { Connection } from '../connection/connection.ts'
import type { Topic } from '../connection/topic.ts'
import { Emitter } from '../emitter.ts'
import type { RejectedError } from '../errors.ts'
import type { Session } from '../session/session.ts'
import type { RoomEvents as Incoming, RoomPushes, WireRoomMessagePage } from '../wire.ts'
import { messageOfEvent, messageOfList, type RoomMessage } from './room-message.ts'

/** Messages that are recognised when they come again. */
const MAX_KNOWN = 1_000

/** What a room announces. */
export interface RoomEvents {
  /** A message was sent; also one that was missed, and one's own. */
  message: RoomMessage
  /** A sentence that says who types; null when they stopped. */
  typing: { username: string; sentence: string | null }
  /** How many members are online. */
  active: number
  /** A sentence: someone was added or removed. */
  notification: string
  removed: RejectedError
}

/** How a message of a room is sent. */
export interface RoomSendOptions {
  /** The id of the message that this one replies to. */
  replyTo?: string
}

/** A room that the user has joined. */
export class Room extends Emitter<RoomEvents> {
  readonly id: string
  readonly #session: Session
  readonly #topic: Topic<RoomPushes>
  readonly #known = new Set<string>()
  #hasJoined = false

  constructor(id: string, session: Session, connection: Connection) {
    super()
    this.id = id
    this.#session = session
    this.#topic = connection.topic<RoomPushes>(`room:${id}`, {
      joined: () => this.#joined(),
      closed: (error) => this.emit('removed', error),
      events: {
        'chat.message': (event: Incoming['chat.message']) => this.#received(messageOfEvent(event)),
        'chat.media': (event: Incoming['chat.media']) => this.#received(messageOfEvent(event)),
        'chat.reply': (event: Incoming['chat.reply']) => this.#received(messageOfEvent(event)),
        'chat.typing': ({ username, content }: Incoming['chat.typing']) =>
          this.emit('typing', { username, sentence: content }),
        'chat.active': ({ content }: Incoming['chat.active']) => this.emit('active', content),
        'chat.notification': ({ content }: Incoming['chat.notification']) =>
          this.emit('notification', content),
      },
    })
  }

  /** Joins the room: its events come from now on. @throws RejectedError `not_member`, `no_room` */
  async open(): Promise<this> {
    await this.#topic.join()
    return this
  }

  /** Stops receiving events. */
  close(): void {
    this.#topic.leave()
  }

  /** Sends a text. Resolves when it is stored; it is stored once, also if the connection is lost. */
  async send(text: string, { replyTo }: RoomSendOptions = {}): Promise<void> {
    const message = { message: text, client_message_id: crypto.randomUUID() }
    if (replyTo === undefined) await this.#topic.pushUntilAnswered('message', message)
    else await this.#topic.pushUntilAnswered('reply', { ...message, previous_message_id: replyTo })
  }

  /** Uploads an image, audio or video file and sends it. */
  async sendMedia(file: Blob, { replyTo }: RoomSendOptions = {}): Promise<void> {
    const form = new FormData()
    form.set('client_message_id', crypto.randomUUID())
    if (replyTo !== undefined) form.set('previous_message_id', replyTo)
    form.set('file', file)
    await this.#session.request('POST', `/api/v1/chat/rooms/${this.id}/media`, {
      body: form,
      repeatable: true,
    })
  }

  /** Announces that the user types, or has stopped. */
  setTyping(isTyping: boolean): void {
    this.#topic.push('typing', { message: isTyping ? 'typing' : 'stopped' }).catch(() => {})
  }

  /** Reads all messages, newest first, page by page as they are needed. */
  async *history(): AsyncGenerator<RoomMessage, void, undefined> {
    let path: string | null = `/api/v1/chat/home/${this.id}`
    while (path) {
      const page: WireRoomMessagePage = await this.#session.request('GET', path)
      yield* page.results.map(messageOfList)
      path = page.previous_messages && pathOf(page.previous_messages)
    }
  }

  #joined(): void {
    const isFirst = !this.#hasJoined
    this.#hasJoined = true
    this.#catchUp(isFirst).catch(() => {})
  }

  /** Announces what was sent while this client was disconnected. */
  async #catchUp(isFirst: boolean): Promise<void> {
    const missed: RoomMessage[] = []
    for await (const message of this.history()) {
      if (this.#known.has(message.id)) break
      missed.unshift(message)
      // Nothing was known before: one page tells where later catch-ups end.
      if ((isFirst && missed.length === 10) || missed.length === MAX_KNOWN) break
    }
    if (isFirst) for (const { id } of missed) this.#remember(id)
    else for (const message of missed) this.#received(message)
  }

  #received(message: RoomMessage): void {
    if (this.#known.has(message.id)) return
    this.#remember(message.id)
    this.emit('message', message)
  }

  #remember(id: string): void {
    this.#known.add(id)
    const [oldest] = this.#known
    if (this.#known.size > MAX_KNOWN && oldest !== undefined) this.#known.delete(oldest)
  }
}

/** A page is asked for at the address of this client, which may differ from the one that the server knows. */
function pathOf(url: string): string {
  const { pathname, search } = new URL(url)
  return pathname + search
}
