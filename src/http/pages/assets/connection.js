/** The delay doubles with each failed attempt. */
const MIN_RETRY_DELAY_MS = 500
const MAX_RETRY_DELAY_MS = 30_000

/**
 * Called by a connection.
 * @typedef {object} Listener
 * @property {() => void} opened
 * @property {(event: Record<string, string | null>) => void} received
 * @property {() => void} closed the connection is closed and will be retried
 * @property {() => Promise<'yes' | 'no' | 'unknown'>} mayReconnect asked before each attempt, since browsers do not report why a handshake was refused
 */

/** The WebSocket of a room. Reconnects with exponential backoff while the user has access. */
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
    addEventListener('online', () => this.#retryNow())
    document.addEventListener('visibilitychange', () => document.hidden || this.#retryNow())
  }

  get isOpen() {
    return this.#socket?.readyState === WebSocket.OPEN
  }

  open() {
    const socket = new WebSocket(this.#url)
    this.#socket = socket
    socket.addEventListener('open', () => this.#listener.opened())
    socket.addEventListener('message', ({ data }) => {
      // Not on open: a server that closes each connection right after the handshake must not be retried without delay.
      this.#failures = 0
      this.#listener.received(JSON.parse(data))
    })
    socket.addEventListener('close', () => {
      this.#listener.closed()
      this.#retryLater()
    })
  }

  /**
   * @param {object} frame
   * @returns {boolean} whether the connection was open
   */
  send(frame) {
    if (this.isOpen) this.#socket?.send(JSON.stringify(frame))
    return this.isOpen
  }

  /** Closes the connection and reconnects after the delay. */
  reset() {
    this.#socket?.close()
  }

  #retryLater() {
    const delay = Math.min(MAX_RETRY_DELAY_MS, MIN_RETRY_DELAY_MS * 2 ** this.#failures++)
    // Jitter: after a restart, clients must not all reconnect at the same moment.
    this.#timer = setTimeout(() => this.#retry(), delay * (0.5 + Math.random() / 2))
  }

  async #retry() {
    this.#timer = undefined
    const answer = await this.#listener.mayReconnect()
    if (answer === 'yes') this.open()
    if (answer === 'unknown') this.#retryLater()
  }

  #retryNow() {
    if (this.#timer === undefined) return
    clearTimeout(this.#timer)
    this.#retry()
  }
}
