import { byId } from './dom.js'

/** Milliseconds: how often one says that one is still typing, and after how long of nothing one no longer is. */
const REPEAT = 3_000
const IDLE = 6_000

/** Tells the others while the reader types. */
export class OwnTyping {
  #send
  #toldAt = 0
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #idle

  /** @param {(isTyping: boolean) => void} send */
  constructor(send) {
    this.#send = send
  }

  /** A key was pressed. @param {boolean} hasText whether there is something to be sent now */
  pressed(hasText) {
    if (!hasText) return this.stop()
    clearTimeout(this.#idle)
    this.#idle = setTimeout(() => this.stop(), IDLE)
    if (Date.now() - this.#toldAt < REPEAT) return
    this.#toldAt = Date.now()
    this.#send(true)
  }

  stop() {
    clearTimeout(this.#idle)
    if (this.#toldAt) this.#send(false)
    this.#toldAt = 0
  }
}

/** Shows which others type. */
export class OthersTyping {
  #place = byId('typing', HTMLElement)
  /** @type {Map<string, ReturnType<typeof setTimeout>>} */
  #names = new Map()

  /**
   * @param {string} name
   * @param {boolean} isTyping
   */
  heard(name, isTyping) {
    clearTimeout(this.#names.get(name))
    this.#names.delete(name)
    // Whoever vanishes does not say that they stopped.
    if (isTyping) {
      this.#names.set(
        name,
        setTimeout(() => this.heard(name, false), 2 * IDLE),
      )
    }
    this.#show()
  }

  forget() {
    for (const name of [...this.#names.keys()]) this.heard(name, false)
  }

  #show() {
    const names = [...this.#names.keys()]
    const who = names.length > 3 ? 'Several people' : new Intl.ListFormat('en').format(names)
    const text = names.length ? `${who} ${names.length > 1 ? 'are' : 'is'} typing…` : ''
    if (this.#place.textContent !== text) this.#place.textContent = text
  }
}
