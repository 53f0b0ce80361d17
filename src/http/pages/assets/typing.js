import { byId } from './dom.js'

/** How often the typing event is repeated. */
const REPEAT_INTERVAL_MS = 3_000
/** After this time without a key the user is no longer typing. */
const IDLE_TIMEOUT_MS = 6_000

/** Sends typing events while the user types. */
export class OwnTyping {
  #send
  #sentAt = 0
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #idle

  /** @param {(isTyping: boolean) => void} send */
  constructor(send) {
    this.#send = send
  }

  /** Handles input. @param {boolean} hasText whether the input has text now */
  update(hasText) {
    if (!hasText) return this.stop()
    clearTimeout(this.#idle)
    this.#idle = setTimeout(() => this.stop(), IDLE_TIMEOUT_MS)
    if (Date.now() - this.#sentAt < REPEAT_INTERVAL_MS) return
    this.#sentAt = Date.now()
    this.#send(true)
  }

  stop() {
    clearTimeout(this.#idle)
    if (this.#sentAt) this.#send(false)
    this.#sentAt = 0
  }
}

/** Shows which other members are typing. */
export class OthersTyping {
  #element = byId('typing', HTMLElement)
  /** @type {Map<string, ReturnType<typeof setTimeout>>} */
  #names = new Map()

  /**
   * @param {string} name
   * @param {boolean} isTyping
   */
  update(name, isTyping) {
    clearTimeout(this.#names.get(name))
    this.#names.delete(name)
    // A client that disconnects does not send that it stopped.
    if (isTyping) {
      this.#names.set(
        name,
        setTimeout(() => this.update(name, false), 2 * IDLE_TIMEOUT_MS),
      )
    }
    this.#show()
  }

  clear() {
    for (const name of [...this.#names.keys()]) this.update(name, false)
  }

  #show() {
    const names = [...this.#names.keys()]
    const who = names.length > 3 ? 'Several people' : new Intl.ListFormat('en').format(names)
    const text = names.length ? `${who} ${names.length > 1 ? 'are' : 'is'} typing…` : ''
    if (this.#element.textContent !== text) this.#element.textContent = text
  }
}
