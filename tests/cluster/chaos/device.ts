import { type Channel, LongPoll, type Socket } from 'phoenix'
import { type Json, openSocket, type Settled, settle } from '../../support/phoenix.ts'
import type { Link } from '../rig/link.ts'
import type { Api } from './api.ts'
import { type Change, ConversationView, readChange } from './conversation-view.ts'
import type { Journal } from './journal.ts'
import { Online } from './online.ts'
import { Past } from './past.ts'
import { RoomView } from './room-view.ts'
import type { Session } from './session.ts'

const HEARTBEAT_MS = 2_000
const ANSWER_WITHIN_MS = 5_000
/** A poll waits ten seconds at the server. */
const POLL_WITHIN_MS = 13_000
const ROOM_EVENTS = ['chat.message', 'chat.reply', 'chat.media']

/** What a device needs to be somebody's. */
export interface DeviceOptions {
  name: string
  userId: string
  session: Session
  link: Link
  api: Api
  journal: Journal
  rooms: readonly string[]
  /** Whether it does without a WebSocket. */
  polls: boolean
  /** The name of the node that the link leads to now. */
  where: () => string
}

/** One device of a user, with the official client, which comes back whenever it is cut off. */
export class Device {
  readonly name: string
  readonly userId: string
  readonly link: Link
  readonly conversations = new Map<string, ConversationView>()
  readonly rooms = new Map<string, RoomView>()
  /** What it knew of every room it was ever in. */
  readonly roomsEver: RoomView[] = []
  /** Every copy this device was ever given, by conversation and group. */
  readonly received: { conversation: string; group: string; content: string; at: number }[] = []
  readonly #options: DeviceOptions
  readonly #socket: Socket
  readonly #channels = new Map<string, Channel>()
  readonly #online: Online
  readonly #past: Past
  #stopped = false

  constructor(options: DeviceOptions) {
    const { name, userId, link, session, rooms, journal, polls } = options
    this.name = name
    this.userId = userId
    this.link = link
    this.#options = options
    this.#past = new Past(options.api, session)
    this.#socket = openSocket(`ws://127.0.0.1:${link.port}/socket`, {
      params: () => ({ token: session.token }),
      heartbeatIntervalMs: HEARTBEAT_MS,
      timeout: ANSWER_WITHIN_MS,
      ...(polls && { transport: LongPoll, longpollerTimeout: POLL_WITHIN_MS }),
      reconnectAfterMs: (tries) => [50, 100, 200, 400][tries - 1] ?? 800,
      rejoinAfterMs: (tries) => [100, 300][tries - 1] ?? 1_000,
    })
    this.#socket.onOpen(() => void this.#opened())
    this.#socket.onClose(() => {
      journal.note('disconnected', this.name)
      this.#disconnected()
    })
    const system = this.#open('system:general')
    this.#online = new Online(system)
    system.join()
    this.#listen()
    for (const id of rooms) this.#enterRoom(id)
  }

  /** The node it is connected to. */
  get where(): string {
    return this.#options.where()
  }

  /** Whether it is connected and everything it is in was joined. */
  get isSettled(): boolean {
    if (!this.#socket.isConnected()) return false
    return [...this.#channels.values()].every(({ state }) => state === 'joined')
  }

  /** The topics it is in now. */
  get topics(): string[] {
    return [...this.#channels.keys()]
  }

  /** Who is online, as far as it was told, and with how many connections. */
  get online(): Record<string, number> {
    return this.#online.counts
  }

  get token(): string {
    return this.#options.session.token
  }

  isIn(topic: string): boolean {
    return this.#channels.get(topic)?.state === 'joined'
  }

  /** Sends an event on a topic it is in, and waits for the answer. */
  push(topic: string, event: string, payload: object): Promise<Settled> {
    const channel = this.#channels.get(topic)
    if (!channel) return Promise.resolve({ status: 'timeout', response: undefined })
    return settle(channel.push(event, { token: this.#options.session.token, ...payload }))
  }

  /** Goes away and comes back, as when a page is loaded anew. */
  reload(): void {
    this.#socket.disconnect(() => {
      if (!this.#stopped) this.#socket.connect()
    })
  }

  /** Joins a room it was let into. */
  enterRoom(id: string): void {
    if (!this.#channels.has(`room:${id}`)) this.#enterRoom(id)
  }

  stop(): void {
    this.#stopped = true
    this.#socket.disconnect()
  }

  async #opened(): Promise<void> {
    const { journal, session } = this.#options
    // The end of the connection before may not have been told, or is told later.
    this.#disconnected()
    journal.count('connections')
    journal.note(`connected to ${this.where}`, this.name)
    try {
      for (const id of await session.refresh()) this.#joinConversation(id)
    } catch (error) {
      journal.violation(String(error), { device: this.name })
    }
  }

  #disconnected(): void {
    this.#online.disconnected()
    for (const view of this.conversations.values()) view.disconnected()
    for (const view of this.rooms.values()) view.disconnected()
  }

  #listen(): void {
    const own = this.#open(`user:${this.userId}`)
    for (const event of ['new_message', 'edit_message'])
      own.on(event, (payload) => this.#heard(payload.conversation_id, event, payload))
    own.on('new_conversation', ({ conversation, user_ids: userIds }) => {
      const view = this.#joinConversation(conversation.id)
      view.members.clear()
      for (const userId of userIds) view.members.add(userId)
    })
    // Without it messages pass unheard, while other topics go on: the connection is good for all of them or for none.
    own.onError(() => {
      if (this.#socket.isConnected()) this.reload()
    })
    own.join()
  }

  #joinConversation(id: string): ConversationView {
    const known = this.conversations.get(id)
    if (known && this.#channels.has(`conversation:${id}`)) return known
    const view = new ConversationView(id, {
      breach: (what, change) => this.#breach(view, what, change),
      ask: (afterSeq) => this.#askAfter(id, afterSeq),
    })
    this.conversations.set(id, view)
    const channel = this.#open(`conversation:${id}`, () =>
      view.applied === undefined ? {} : { after_seq: view.applied },
    )
    channel.on('delete_message', (payload) => this.#heard(id, 'delete_message', payload))
    channel.on('leave_conversation', ({ user_id: userId }) => void view.members.delete(userId))
    channel.onError(() => view.suspend())
    channel.onClose(() => {
      if (this.conversations.get(id) === view) this.conversations.delete(id)
    })
    channel.join().receive('ok', (reply) => this.#joined(view, reply))
    return view
  }

  #joined(view: ConversationView, reply: Json): void {
    const { journal } = this.#options
    if (reply.recovered) journal.count('changes made up for', reply.changes.length)
    for (const message of reply.messages?.items ?? []) this.#received(view.id, message)
    for (const { payload } of reply.changes ?? [])
      if (payload.message) this.#received(view.id, payload.message)
    if (!view.joined(reply)) void this.#restore(view)
  }

  async #askAfter(id: string, afterSeq: number): Promise<Json | undefined> {
    this.#options.journal.count('gaps asked about')
    const missed = await this.#past.changesAfter(id, afterSeq)
    for (const { payload } of missed?.changes ?? []) if (payload.message) this.#received(id, payload.message)
    return missed
  }

  async #restore(view: ConversationView): Promise<void> {
    this.#options.journal.count('histories read')
    const history = await this.#past.historyOf(view.id)
    if (history) view.restore(history, history[0]?.seq ?? 0)
  }

  #heard(id: string, event: string, payload: Json): void {
    this.#options.journal.count('changes delivered')
    if (payload.message) this.#received(id, payload.message)
    // A message may come before the news that one is in its conversation.
    this.#joinConversation(id).hear(readChange({ event, payload }))
  }

  #received(conversation: string, { message_group: group, content }: Json): void {
    this.received.push({ conversation, group, content, at: this.#options.journal.now() })
  }

  #enterRoom(id: string): void {
    const { journal } = this.#options
    const view = new RoomView(id, (what, messageId) => {
      journal.violation(`message ${messageId} of room ${id} ${what} at ${this.name}`, { device: this.name })
    })
    this.rooms.set(id, view)
    this.roomsEver.push(view)
    const channel = this.#open(`room:${id}`)
    for (const event of ROOM_EVENTS) {
      channel.on(event, (payload) => {
        journal.count('room messages delivered')
        view.hear(payload, journal.now())
      })
    }
    channel.on('chat.active', ({ content }) => {
      view.online = content
    })
    channel.onClose(() => void this.rooms.delete(id))
    channel.join().receive('ok', () => void this.#readRoom(view))
  }

  /** Reads back until everything is known; when the connection is lost meanwhile, the next one begins again. */
  async #readRoom(view: RoomView): Promise<void> {
    const connection = view.heard.length
    for await (const { results, previous_messages: previous } of this.#past.pagesOf(view.id)) {
      if (view.heard.length !== connection || view.read(results, previous === null)) return
    }
  }

  #open(topic: string, more: () => object = () => ({})): Channel {
    const { session, journal } = this.#options
    const channel = this.#socket.channel(topic, () => ({ token: session.token, ...more() }))
    this.#channels.set(topic, channel)
    channel.onClose(() => {
      if (this.#channels.get(topic) === channel) this.#channels.delete(topic)
    })
    channel.onError((reason) => {
      if (reason?.reason === 'channel_crash')
        journal.violation(`${topic} crashed at ${this.name}`, { device: this.name })
    })
    return channel
  }

  #breach(view: ConversationView, what: string, change: Change): void {
    const subject = `${change.kind} ${change.group}, seq ${change.seq}, of conversation ${view.id}`
    this.#options.journal.violation(`${subject} ${what} at ${this.name}, on ${this.where}`, {
      device: this.name,
    })
  }
}
