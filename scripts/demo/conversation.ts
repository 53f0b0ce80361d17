import type { webcrypto } from 'node:crypto'
import { encryptFor, KeyPair } from './keys.ts'
import type { Person } from './person.ts'

type JsonWebKey = webcrypto.JsonWebKey

/** One recipient's copy of a message, as the server sends it. */
export interface Message {
  id: string
  sender: string
  content: string
  message_group: string
}

/** The encrypted copies of one message, by recipient. */
export type Copies = Record<string, string>

/** The events that contain a message. */
export type MessageEventName = 'new_message' | 'edit_message'

/** The payload of these events. */
export interface MessageEvent {
  conversation_id: string
  message: Message
}

interface JoinReply {
  users: { id: string }[]
  public_keys: Record<string, JsonWebKey>
  private_key: JsonWebKey | null
}

interface Page {
  items: Message[]
  page_token: string | null
}

/** A conversation of one member, with the member's key pair and the public keys of all members. */
export class Conversation {
  readonly id: string
  readonly member: Person
  readonly #keys: KeyPair
  readonly #memberIds: string[]
  readonly #publicKeys: Record<string, JsonWebKey>

  private constructor(member: Person, id: string, keys: KeyPair, reply: JoinReply) {
    this.member = member
    this.id = id
    this.#keys = keys
    this.#memberIds = reply.users.map((user) => user.id)
    this.#publicKeys = { ...reply.public_keys, [member.id]: keys.publicKey }
  }

  /** Starts a conversation. The request contains the creator's keys. */
  static async start(creator: Person, event: string, payload: object): Promise<Conversation> {
    const { publicKey, privateKey } = await (await KeyPair.generate()).stored(creator.passphrase)
    const keys = { public_key: publicKey, private_key: privateKey }
    const id = await creator.push<string>('system:general', event, { ...payload, ...keys })
    return Conversation.open(creator, id)
  }

  /** Joins a conversation. Generates keys for the member, or decrypts those that the server stores. */
  static async open(member: Person, id: string): Promise<Conversation> {
    const topic = `conversation:${id}`
    const reply = await member.join<JoinReply>(topic)
    const publicKey = reply.public_keys[member.id]
    if (publicKey && reply.private_key) {
      const keys = await KeyPair.restore({ publicKey, privateKey: reply.private_key }, member.passphrase)
      return new Conversation(member, id, keys, reply)
    }
    const keys = await KeyPair.generate()
    const stored = await keys.stored(member.passphrase)
    await member.push(topic, 'set_encryption_keys', {
      public_key: stored.publicKey,
      private_key: stored.privateKey,
    })
    return new Conversation(member, id, keys, reply)
  }

  /** Waits until all members have published a key. Before that, no message can be encrypted for all of them. */
  async waitForKeys(): Promise<void> {
    while (this.#memberIds.some((id) => !this.#publicKeys[id])) {
      const { user_id, public_key } = await this.event<{ user_id: string; public_key: JsonWebKey }>(
        'set_encryption_keys',
      )
      this.#publicKeys[user_id] = public_key
    }
  }

  /** Sends one encrypted copy per member. @returns the copies, by user id. */
  async write(text: string): Promise<Copies> {
    const copies = await this.#encrypt(text)
    await this.push('send_message', { encrypted_messages: copies })
    return copies
  }

  async edit({ message_group }: Message, text: string): Promise<Copies> {
    const copies = await this.#encrypt(text)
    await this.push('edit_message', { message_group_id: message_group, encrypted_messages: copies })
    return copies
  }

  /** Waits for the next message event on the member's `user:<id>` topic. @returns the member's copy. */
  async nextMessage(event: MessageEventName): Promise<Message> {
    const topic = `user:${this.member.id}`
    const isMine = ({ conversation_id }: MessageEvent) => conversation_id === this.id
    return (await this.member.events.take(topic, event, isMine)).message
  }

  read({ content }: Message): Promise<string> {
    return this.#keys.decrypt(content)
  }

  push(event: string, payload?: object): Promise<unknown> {
    return this.member.push(`conversation:${this.id}`, event, payload)
  }

  /** Waits for the next event of this name on the topic of the conversation. */
  event<T>(name: string, where?: (payload: T) => boolean): Promise<T> {
    return this.member.events.take(`conversation:${this.id}`, name, where)
  }

  /** Reads the whole history over HTTP, newest first. */
  async history(pageSize: number): Promise<Message[]> {
    const items: Message[] = []
    const query = new URLSearchParams({ conversation_id: this.id, page_size: String(pageSize) })
    for (let token: string | null = ''; token !== null; ) {
      if (token) query.set('page_token', token)
      const body: Page & { messages?: Page } = await this.member.get(`/api/messages?${query}`)
      const page = body.messages ?? body
      items.push(...page.items)
      token = page.page_token || null
    }
    return items
  }

  async #encrypt(text: string): Promise<Copies> {
    const copies = this.#memberIds.map(async (id) => [id, await encryptFor(this.#publicKeys[id]!, text)])
    return Object.fromEntries(await Promise.all(copies))
  }
}
