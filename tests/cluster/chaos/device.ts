import { type Channel, LongPoll, type Socket } from 'phoenix'
import { type Json, openSocket, type Settled, settle } from '../../support/phoenix.ts'
import type { TcpProxy } from '../harness/tcp-proxy.ts'
import type { Api } from './api.ts'
import { type Change, ConversationView, readChange } from './conversation-view.ts'
import { HistoryReader } from './history-reader.ts'
import type { Journal } from './journal.ts'
import { PresenceList } from './presence-list.ts'
import { RoomView } from './room-view.ts'
import type { Session } from './session.ts'

const HEARTBEAT_MS = 2_000
const PUSH_TIMEOUT_MS = 5_000
/** The server answers a poll after ten seconds at the latest. */
const POLL_TIMEOUT_MS = 13_000
const ROOM_EVENTS = ['chat.message', 'chat.reply', 'chat.media']

/** The user, session and connection of a device. */
export interface DeviceOptions {
  name: string
  userId: string
  session: Session
  proxy: TcpProxy
  api: Api
  journal: Journal
  rooms: readonly string[]
  /** Whether it uses long polling instead of a WebSocket. */
  usesPolling: boolean
  /** Returns the name of the node that the proxy is connected to. */
  nodeName: () => string
}

/** A device of a user, with the official client. It reconnects after every disconnection. */
export class Device {
  readonly name: string
  readonly userId: string
  readonly proxy: TcpProxy
  readonly conversations = new Map<string, ConversationView>()
  readonly rooms = new Map<string, RoomView>()
  /** The views of all rooms that it has ever joined. */
  readonly allRoomViews: RoomView[] = []
  /** All message copies that this device has ever received. */
  readonly receivedCopies: { conversation: string; group: string; content: string; at: number }[] = []
  readonly #options: DeviceOptions
  readonly #socket: Socket
  readonly #channels = new Map<string, Channel>()
  readonly #presence: PresenceList
  readonly #history: HistoryReader
  #stopped = false

  constructor(options: DeviceOptions) {
    const { name, userId, proxy, session, rooms, journal, usesPolling } = options
    this.name = name
    this.userId = userId
    this.proxy = proxy
    this.#options = options
    this.#history = new HistoryReader(options.api, session)
    this.#socket = openSocket(`ws://127.0.0.1:${proxy.port}/socket`, {
      params: () => ({ token: session.token }),
      heartbeatIntervalMs: HEARTBEAT_MS,
      timeout: PUSH_TIMEOUT_MS,
      ...(usesPolling && { transport: LongPoll, longpollerTimeout: POLL_TIMEOUT_MS }),
      reconnectAfterMs: (tries) => [50, 100, 200, 400][tries - 1] ?? 800,
      rejoinAfterMs: (tries) => [100, 300][tries - 1] ?? 1_000,
    })
    this.#socket.onOpen(() => void this.#onOpen())
    this.#socket.onClose(() => {
      journal.note('disconnected', this.name)
      this.#onDisconnect()
    })
    const system = this.#channel('system:general')
    this.#presence = new PresenceList(system)
    system.join()
    this.#subscribe()
    for (const id of rooms) this.#joinRoom(id)
  }

  /** The name of the node that it is connected to. */
  get nodeName(): string {
    return this.#options.nodeName()
  }

  /** Whether it is connected and has joined all its topics. */
  get isReady(): boolean {
    if (!this.#socket.isConnected()) return false
    return [...this.#channels.values()].every(({ state }) => state === 'joined')
  }

  /** The topics that it has joined or is joining. */
  get topics(): string[] {
    return [...this.#channels.keys()]
  }

  /** The number of connections by user, as received by this device. */
  get online(): Record<string, number> {
    return this.#presence.counts
  }

  get token(): string {
    return this.#options.session.token
  }

  hasJoined(topic: string): boolean {
    return this.#channels.get(topic)?.state === 'joined'
  }

  /** Pushes an event to a joined topic, and waits for the reply. */
  push(topic: string, event: string, payload: object): Promise<Settled> {
    const channel = this.#channels.get(topic)
    if (!channel) return Promise.resolve({ status: 'timeout', response: undefined })
    return settle(channel.push(event, { token: this.#options.session.token, ...payload }))
  }

  /** Disconnects and connects again, as a reloaded page does. */
  reload(): void {
    this.#socket.disconnect(() => {
      if (!this.#stopped) this.#socket.connect()
    })
  }

  /** Joins a room that its user was added to. */
  joinRoom(id: string): void {
    if (!this.#channels.has(`room:${id}`)) this.#joinRoom(id)
  }

  stop(): void {
    this.#stopped = true
    this.#socket.disconnect()
  }

  async #onOpen(): Promise<void> {
    const { journal, session } = this.#options
    // The client may not have reported the end of the previous connection, or reports it later.
    this.#onDisconnect()
    journal.count('connections')
    journal.note(`connected to ${this.nodeName}`, this.name)
    try {
      for (const id of await session.refresh()) this.#joinConversation(id)
    } catch (error) {
      journal.violation(String(error), { device: this.name })
    }
  }

  #onDisconnect(): void {
    this.#presence.disconnected()
    for (const view of this.conversations.values()) view.disconnected()
    for (const view of this.rooms.values()) view.disconnected()
  }

  #subscribe(): void {
    const own = this.#channel(`user:${this.userId}`)
    for (const event of ['new_message', 'edit_message'])
      own.on(event, (payload) => this.#receive(payload.conversation_id, event, payload))
    own.on('new_conversation', ({ conversation, user_ids: userIds }) => {
      const view = this.#joinConversation(conversation.id)
      view.members.clear()
      for (const userId of userIds) view.members.add(userId)
    })
    // Without this topic the device misses messages while others continue, so it reconnects.
    own.onError(() => {
      if (this.#socket.isConnected()) this.reload()
    })
    own.join()
  }

  #joinConversation(id: string): ConversationView {
    const known = this.conversations.get(id)
    if (known && this.#channels.has(`conversation:${id}`)) return known
    const view = new ConversationView(id, {
      reportViolation: (what, change) => this.#reportViolation(view, what, change),
      fetchChanges: (afterSeq) => this.#fetchChanges(id, afterSeq),
    })
    this.conversations.set(id, view)
    const channel = this.#channel(`conversation:${id}`, () =>
      view.lastAppliedSeq === undefined ? {} : { after_seq: view.lastAppliedSeq },
    )
    channel.on('delete_message', (payload) => this.#receive(id, 'delete_message', payload))
    channel.on('leave_conversation', ({ user_id: userId }) => void view.members.delete(userId))
    channel.onError(() => view.suspend())
    channel.onClose(() => {
      if (this.conversations.get(id) === view) this.conversations.delete(id)
    })
    channel.join().receive('ok', (reply) => this.#onJoined(view, reply))
    return view
  }

  #onJoined(view: ConversationView, reply: Json): void {
    const { journal } = this.#options
    if (reply.recovered) journal.count('changes recovered on join', reply.changes.length)
    for (const message of reply.messages?.items ?? []) this.#recordCopy(view.id, message)
    for (const { payload } of reply.changes ?? [])
      if (payload.message) this.#recordCopy(view.id, payload.message)
    if (!view.joined(reply)) void this.#restore(view)
  }

  async #fetchChanges(id: string, afterSeq: number): Promise<Json | undefined> {
    this.#options.journal.count('gaps fetched')
    const missed = await this.#history.changesAfter(id, afterSeq)
    for (const { payload } of missed?.changes ?? [])
      if (payload.message) this.#recordCopy(id, payload.message)
    return missed
  }

  async #restore(view: ConversationView): Promise<void> {
    this.#options.journal.count('histories read')
    const history = await this.#history.historyOf(view.id)
    if (history) view.restore(history, history[0]?.seq ?? 0)
  }

  #receive(id: string, event: string, payload: Json): void {
    this.#options.journal.count('changes delivered')
    if (payload.message) this.#recordCopy(id, payload.message)
    // A message may arrive before `new_conversation`.
    this.#joinConversation(id).receive(readChange({ event, payload }))
  }

  #recordCopy(conversation: string, { message_group: group, content }: Json): void {
    this.receivedCopies.push({ conversation, group, content, at: this.#options.journal.now() })
  }

  #joinRoom(id: string): void {
    const { journal } = this.#options
    const view = new RoomView(id, (what, messageId) => {
      journal.violation(`message ${messageId} of room ${id} ${what} at ${this.name}`, { device: this.name })
    })
    this.rooms.set(id, view)
    this.allRoomViews.push(view)
    const channel = this.#channel(`room:${id}`)
    for (const event of ROOM_EVENTS) {
      channel.on(event, (payload) => {
        journal.count('room messages delivered')
        view.receive(payload, journal.now())
      })
    }
    channel.on('chat.active', ({ content }) => {
      view.online = content
    })
    channel.onClose(() => void this.rooms.delete(id))
    channel.join().receive('ok', () => void this.#readRoom(view))
  }

  /** Reads pages back to a known message. If the connection is lost, the next one starts over. */
  async #readRoom(view: RoomView): Promise<void> {
    const connection = view.liveMessages.length
    for await (const { results, previous_messages: previous } of this.#history.pagesOf(view.id)) {
      if (view.liveMessages.length !== connection || view.addPage(results, previous === null)) return
    }
  }

  #channel(topic: string, params: () => object = () => ({})): Channel {
    const { session, journal } = this.#options
    const channel = this.#socket.channel(topic, () => ({ token: session.token, ...params() }))
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

  #reportViolation(view: ConversationView, what: string, change: Change): void {
    const subject = `${change.kind} ${change.group}, seq ${change.seq}, of conversation ${view.id}`
    this.#options.journal.violation(`${subject} ${what} at ${this.name}, on ${this.nodeName}`, {
      device: this.name,
    })
  }
}
