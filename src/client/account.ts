import { Connection, type ConnectionState } from './connection/connection.ts'
import type { Transport } from './connection/phoenix.ts'
import type { Topic } from './connection/topic.ts'
import type { MessageCodec, Problem } from './conversations/codec.ts'
import type { Conversation } from './conversations/conversation.ts'
import { Conversations } from './conversations/conversations.ts'
import { deliveryOf } from './conversations/delivery.ts'
import { searchUsers } from './conversations/directory.ts'
import type { Member } from './conversations/member.ts'
import { Emitter } from './emitter.ts'
import { ConnectionError, SignedOutError, type SignedOutReason } from './errors.ts'
import type { AccountKeys } from './keys/own-keys.ts'
import type { VerifiedContacts } from './keys/verified-contacts.ts'
import { type Encryption, openEncryption } from './messages/encryption.ts'
import { Outbox } from './outbox/outbox.ts'
import { OnlineUsers } from './presence.ts'
import { Rooms } from './rooms/rooms.ts'
import type { Session } from './session/session.ts'
import { type Store, scopedStore } from './stores/store.ts'
import type { SystemTopic, UserTopic } from './wire.ts'

/** What an account announces. */
export interface AccountEvents {
  connection: ConnectionState
  signedOut: SignedOutReason
  /** Something that the user should see, and that belongs to no conversation. */
  notice: Problem
  /** A user has another name. */
  renamed: { userId: string; name: string }
}

/** What an account consists of. */
export interface AccountOptions {
  session: Session
  store: Store
  transport: Transport | undefined
  /** Default: the encrypted one. */
  codec?: MessageCodec
}

/** The account of a signed-in user: its conversations and everything else a client does. */
export class Account extends Emitter<AccountEvents> {
  readonly conversations: Conversations
  /** The keys of the user. */
  readonly keys: AccountKeys
  /** Users whose keys the user has compared. */
  readonly contacts: VerifiedContacts
  /** Who is online. */
  readonly presence = new OnlineUsers()
  /** The rooms of the site. */
  readonly rooms: Rooms
  readonly #session: Session
  readonly #store: Store
  readonly #connection: Connection
  readonly #codec: MessageCodec
  readonly #outbox: Outbox
  readonly #system: Topic<SystemTopic>

  constructor({ session, store, transport, codec: otherCodec }: AccountOptions) {
    super()
    this.#session = session
    this.#store = store
    const own = scopedStore(store, `${session.user.id}/`)
    const encryption = openEncryption(session, own)
    const codec = otherCodec ?? encryption.codec
    this.#codec = codec
    this.keys = encryption.keys
    this.contacts = encryption.contacts
    this.#connection = new Connection(session, transport)
    this.rooms = new Rooms(session, this.#connection)
    // Created in the order in which they are to be joined after a reconnect: the user's own topic first.
    const ownTopic = this.#connection.topic<UserTopic>(`user:${session.user.id}`, {
      events: {
        new_message: (payload) => this.conversations.receive({ event: 'new_message', payload }),
        edit_message: (payload) => this.conversations.receive({ event: 'edit_message', payload }),
        new_conversation: (payload) => this.conversations.changed(payload),
        keys_changed: ({ user_id }) => void encryption.directory.refresh([user_id]).catch(() => {}),
      },
    })
    this.#system = this.#connection.topic<SystemTopic>('system:general', {
      events: {
        presence_state: (state) => this.presence.replace(state),
        presence_diff: (diff) => this.presence.change(diff),
        update_display_name: ({ user_id, display_name }) =>
          this.emit('renamed', { userId: user_id, name: display_name }),
      },
    })
    this.#outbox = new Outbox(own, (id) => deliveryOf(this.conversations.get(id), codec))
    this.conversations = new Conversations({
      ...{ session, codec },
      connection: this.#connection,
      outbox: () => this.#outbox,
      systemTopic: this.#system,
    })
    this.#follow(encryption)
    this.#connection.on('state', (state) => {
      if (state === 'open') encryption.directory.forgetKeyless()
      this.emit('connection', state)
    })
    session.on('signedOut', (reason) => this.#signedOut(reason))
    this.#connection.open()
    for (const topic of [ownTopic, this.#system]) topic.join().catch(() => {})
    void this.#outbox.resume()
  }

  /** The user. */
  get user(): Session['user'] {
    return this.#session.user
  }

  /** Whether the connection is open. */
  get connection(): ConnectionState {
    return this.#connection.state
  }

  /** Calls a function when the session is over, and with the reason why. @returns the function that removes it. */
  onSignedOut(listener: (reason: SignedOutReason) => void): () => void {
    return this.on('signedOut', listener)
  }

  /** Finds users by a part of their address or name; all users without it. Page by page as they are needed. */
  users(search?: string): AsyncGenerator<Member, void, undefined> {
    return searchUsers(this.#session, search)
  }

  /** Hides the user from others, or shows them again. */
  async setHidden(hidden: boolean): Promise<void> {
    await this.#system.pushUntilAnswered('set_hidden', { hidden })
  }

  /** Changes the name that others see. */
  async setName(name: string): Promise<void> {
    await this.#system.pushUntilAnswered('set_display_name', { display_name: name })
    await this.#session.updateUser({ name })
  }

  /** Ends the session, on the server as well. */
  signOut(): Promise<void> {
    return this.#session.signOut()
  }

  /** Disconnects. The session stays valid and stored, and so does what is not sent yet. */
  async close(): Promise<void> {
    this.#outbox.close(new ConnectionError({ code: 'disconnected' }))
    this.#session.close()
    this.#connection.close()
    await this.#codec.close()
    await this.#store.close()
  }

  /** A conversation, opened. */
  open(conversationId: string): Promise<Conversation> {
    return this.conversations.get(conversationId).open()
  }

  #follow({ directory, keys, contacts }: Encryption): void {
    directory.on('changed', ({ userId, history, isFirst }) => {
      if (isFirst) return
      if (userId === this.user.id) {
        // They are locked unless this client has replaced them.
        if (history.at(-1)?.reset && !keys.isUnlocked) this.emit('notice', { code: 'own_keys_reset' })
        return
      }
      this.conversations.keysChanged(userId, { code: history.at(-1)?.reset ? 'keys_reset' : 'keys_changed' })
    })
    directory.on('rejected', ({ userId }) =>
      this.conversations.keysChanged(userId, { code: 'keys_rejected' }),
    )
    keys.on('unlocked', () => {
      void contacts
        .load()
        .then((isCurrent) => isCurrent || this.emit('notice', { code: 'contacts_rolled_back' }))
        .catch(() => this.emit('notice', { code: 'contacts_unreadable' }))
        .then(() => this.conversations.reread())
        .catch(() => {})
    })
  }

  #signedOut(reason: SignedOutReason): void {
    this.#outbox.close(new SignedOutError(reason))
    this.emit('signedOut', reason)
  }
}
