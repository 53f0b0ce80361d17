/** Milliseconds before the first try to come back; each further one waits twice as long, up to the last. */
const FIRST_WAIT = 500
const LONGEST_WAIT = 30_000

/**
 * What a connection tells, and asks.
 * @typedef {object} Listener
 * @property {() => void} opened
 * @property {(event: Record<string, string | null>) => void} received
 * @property {() => void} lost it is lost, and on the way back
 * @property {() => Promise<'yes' | 'no' | 'unknown'>} mayReturn a browser is not told why it was refused
 */

/** The socket of a room, which comes back by itself for as long as one may. */
export class Connection {
  #url
  #listener
  #failures = 0
  /** @type {WebSocket | undefined} */
  #socket
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer

  /**
   * @param {string} url
   * @param {Listener} listener
   */
  constructor(url, listener) {
    this.#url = url
    this.#listener = listener
    addEventListener('online', () => this.#hurry())
    document.addEventListener('visibilitychange', () => document.hidden || this.#hurry())
  }

  get isOpen() {
    return this.#socket?.readyState === WebSocket.OPEN
  }

  open() {
    const socket = new WebSocket(this.#url)
    this.#socket = socket
    socket.addEventListener('open', () => this.#listener.opened())
    socket.addEventListener('message', ({ data }) => {
      // Being let in is not enough: a server that closes right away is not to be asked again at once.
      this.#failures = 0
      this.#listener.received(JSON.parse(data))
    })
    socket.addEventListener('close', () => {
      this.#listener.lost()
      this.#retryLater()
    })
  }

  /**
   * @param {object} frame
   * @returns {boolean} whether there was a connection to send it over
   */
  send(frame) {
    if (this.isOpen) this.#socket?.send(JSON.stringify(frame))
    return this.isOpen
  }

  /** Begins again, after a while. */
  reset() {
    this.#socket?.close()
  }

  #retryLater() {
    const wait = Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** this.#failures++)
    // When a server restarts, not everybody is to come back at the same moment.
    this.#timer = setTimeout(() => this.#retry(), wait * (0.5 + Math.random() / 2))
  }

  async #retry() {
    this.#timer = undefined
    const may = await this.#listener.mayReturn()
    if (may === 'yes') this.open()
    if (may === 'unknown') this.#retryLater()
  }

  #hurry() {
    if (this.#timer === undefined) return
    clearTimeout(this.#timer)
    this.#retry()
  }
}
