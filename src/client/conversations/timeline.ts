import type { Message } from './message.ts'

/** Messages beyond this number are forgotten, oldest first. They can be read again from the history. */
const MAX_MESSAGES = 1_000

/** The newest messages of a conversation, in their order. */
export class Timeline {
  readonly #byGroup = new Map<string, Message>()

  /** Oldest first. */
  get messages(): Message[] {
    return [...this.#byGroup.values()]
  }

  get(group: string): Message | undefined {
    return this.#byGroup.get(group)
  }

  /** Adds a message that is newer than all others. */
  add(message: Message): void {
    this.#byGroup.set(message.group, message)
    const [oldest] = this.#byGroup.keys()
    if (this.#byGroup.size > MAX_MESSAGES && oldest !== undefined) this.#byGroup.delete(oldest)
  }

  /** Replaces a message that is there, in its place. */
  replace(message: Message): void {
    if (this.#byGroup.has(message.group)) this.#byGroup.set(message.group, message)
  }

  delete(group: string): void {
    this.#byGroup.delete(group)
  }

  reset(messages: Message[]): void {
    this.#byGroup.clear()
    for (const message of messages) this.add(message)
  }
}
