import type { CryptoKey } from 'jose'
import type { Channel } from 'phoenix'
import type { Person, TestApp } from '../../support/app.ts'
import { push } from '../../support/conversations.ts'

const RSA = { name: 'RSA-OAEP', hash: 'SHA-256' }

interface ReceivedMessage {
  message_group: string
  content: string
}

/** A client as the original one: the official `phoenix` package, and an RSA key for the conversation. */
export class OriginalClient {
  readonly #person: Person
  readonly #pair: { publicKey: CryptoKey; privateKey: CryptoKey }
  readonly #keys = new Map<string, CryptoKey>()
  readonly #texts = new Map<string, string>()
  #channel: Channel | undefined

  private constructor(person: Person, pair: { publicKey: CryptoKey; privateKey: CryptoKey }) {
    this.#person = person
    this.#pair = pair
  }

  /** Creates an account. */
  static async signUp(app: TestApp, name: string): Promise<OriginalClient> {
    const algorithm = { ...RSA, modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]) }
    const pair = await crypto.subtle.generateKey(algorithm, true, ['encrypt', 'decrypt'])
    return new OriginalClient(await app.signUp(name), pair)
  }

  get id(): string {
    return this.#person.id
  }

  /** The texts of the messages, oldest first. */
  get texts(): string[] {
    return [...this.#texts.values()]
  }

  /** Whether a member can be written to. */
  hasKeyOf(userId: string): boolean {
    return this.#keys.has(userId)
  }

  /** Starts a private conversation with its keys. @returns the id. */
  async startPrivate(otherUserId: string): Promise<string> {
    const system = await this.#person.join('system:general')
    const payload = { other_user_id: otherUserId, ...(await this.#jwks()) }
    const { response } = await push(this.#person, system, 'start_private_conversation', payload)
    return String(response)
  }

  /** Joins a conversation and reads its events. */
  async open(id: string): Promise<void> {
    const user = await this.#person.join(`user:${this.id}`)
    for (const event of ['new_message', 'edit_message']) {
      user.on(event, ({ message }: { message: ReceivedMessage }) => this.#receive(message))
    }
    const socket = this.#person.connect()
    this.#channel = socket.channel(`conversation:${id}`, { token: this.#person.token })
    this.#channel.on('set_encryption_keys', ({ user_id, public_key }) => this.#learn(user_id, public_key))
    this.#channel.on('delete_message', ({ message_group_id }) => void this.#texts.delete(message_group_id))
    const reply = await new Promise<{ public_keys: Record<string, Record<string, unknown>> }>(
      (resolve, reject) => {
        this.#channel!.join().receive('ok', resolve).receive('error', reject)
      },
    )
    for (const [userId, key] of Object.entries(reply.public_keys)) await this.#learn(userId, key)
  }

  /** Sets its keys for the conversation that is open. */
  async setKeys(): Promise<void> {
    const jwks = await this.#jwks()
    await push(this.#person, this.#channel!, 'set_encryption_keys', jwks)
    await this.#learn(this.id, { ...jwks.public_key })
  }

  /** Sends a text to everyone who has set a key. */
  async send(text: string): Promise<void> {
    await push(this.#person, this.#channel!, 'send_message', await this.#copies(text))
  }

  /** Replaces a text of its own. */
  async edit(text: string, by: string): Promise<void> {
    const payload = { message_group_id: this.#groupOf(text), ...(await this.#copies(by)) }
    await push(this.#person, this.#channel!, 'edit_message', payload)
  }

  /** Deletes a text of its own. */
  async delete(text: string): Promise<void> {
    await push(this.#person, this.#channel!, 'delete_message', { message_group_id: this.#groupOf(text) })
  }

  #groupOf(text: string): string {
    return [...this.#texts].find(([, other]) => other === text)![0]
  }

  async #jwks() {
    const [public_key, private_key] = await Promise.all([
      crypto.subtle.exportKey('jwk', this.#pair.publicKey),
      crypto.subtle.exportKey('jwk', this.#pair.privateKey),
    ])
    return { public_key, private_key }
  }

  async #copies(text: string) {
    const copies = [...this.#keys].map(async ([userId, key]) => {
      const encrypted = await crypto.subtle.encrypt(RSA, key, new TextEncoder().encode(text))
      return [userId, Buffer.from(encrypted).toString('base64')] as const
    })
    return { encrypted_messages: Object.fromEntries(await Promise.all(copies)) }
  }

  async #learn(userId: string, jwk: Record<string, unknown>): Promise<void> {
    // The legacy dialect returns the absent members of a key as null.
    const present = Object.fromEntries(Object.entries(jwk).filter(([, value]) => value !== null))
    this.#keys.set(userId, await crypto.subtle.importKey('jwk', present, RSA, true, ['encrypt']))
  }

  async #receive({ message_group, content }: ReceivedMessage): Promise<void> {
    this.#texts.set(message_group, '')
    const bytes = await crypto.subtle.decrypt(RSA, this.#pair.privateKey, Buffer.from(content, 'base64'))
    this.#texts.set(message_group, new TextDecoder().decode(bytes))
  }
}
