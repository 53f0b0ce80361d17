import { ConnectionError, RejectedError } from '../errors.ts'
import type { Session } from '../session/session.ts'
import { retryDelay } from '../timing.ts'

/** A transfer that hears nothing for this long tries again. */
const IDLE_TIMEOUT_MS = 30_000
/** Codes after which a transfer continues. Responses to HEAD have no other code than their status. */
const INTERRUPTIONS = new Set([
  ...['busy', 'rate_limited', 'upload_locked', 'upload_offset_mismatch'],
  ...['http_408', 'http_423', 'http_429'],
])

/** How a file is transferred. */
export interface TransferOptions {
  /** Called with the bytes that were transferred, of the file before encryption. */
  onProgress?: ((transferred: number, total: number) => void) | undefined
  /** Ends the transfer, which is then rejected with the reason of the signal. */
  signal?: AbortSignal | undefined
}

/** Sends the requests of one transfer until it is done, aborted, or the client is closed. */
export class Transfer {
  readonly #session: Session
  readonly #stops: AbortSignal[]

  constructor(session: Session, signals: (AbortSignal | undefined)[]) {
    this.#session = session
    this.#stops = [session.ended, ...signals].filter((signal) => signal !== undefined)
  }

  /** @throws the reason, if the transfer was ended. */
  throwIfStopped(): void {
    for (const signal of this.#stops) signal.throwIfAborted()
  }

  /**
   * Sends a request and reads its response with `read`, which calls `alive` whenever something has arrived.
   * @throws RejectedError, ConnectionError, or the reason of a signal.
   */
  async request<T>(
    method: string,
    path: string,
    { idleMs = IDLE_TIMEOUT_MS, ...options }: RequestOptions,
    read: (response: Response, alive: () => void) => T | Promise<T>,
  ): Promise<T> {
    this.throwIfStopped()
    const controller = new AbortController()
    const stop = () => controller.abort()
    let timer: ReturnType<typeof setTimeout> | undefined
    const alive = () => {
      clearTimeout(timer)
      timer = setTimeout(() => controller.abort(new DOMException('Nothing arrived.', 'TimeoutError')), idleMs)
    }
    for (const signal of this.#stops) signal.addEventListener('abort', stop)
    alive()
    try {
      const all = { ...options, repeatable: false, signal: controller.signal }
      return await read(await this.#session.respond(method, path, all), alive)
    } catch (error) {
      this.throwIfStopped()
      throw error
    } finally {
      clearTimeout(timer)
      for (const signal of this.#stops) signal.removeEventListener('abort', stop)
    }
  }

  /** Waits before the next attempt. @throws the error, if another attempt does not help. */
  async pauseAfter(error: unknown, failures: number): Promise<void> {
    this.throwIfStopped()
    if (!isInterruption(error)) throw error
    await new Promise<void>((resolve) => {
      const end = () => {
        clearTimeout(timer)
        for (const signal of this.#stops) signal.removeEventListener('abort', end)
        resolve()
      }
      const timer = setTimeout(end, retryDelay(error, failures))
      for (const signal of this.#stops) signal.addEventListener('abort', end)
    })
    this.throwIfStopped()
  }

  /** Makes attempts until one succeeds. @throws what another attempt does not help against. */
  async untilDone<T>(attempt: () => Promise<T>): Promise<T> {
    for (let failures = 0; ; failures++) {
      try {
        return await attempt()
      } catch (error) {
        await this.pauseAfter(error, failures)
      }
    }
  }
}

/** What a request of a transfer consists of besides its method and path. */
export interface RequestOptions {
  body?: Uint8Array<ArrayBuffer> | FormData
  fetch?: (url: string, init: RequestInit) => Promise<Response>
  headers?: Record<string, string>
  /** How long to wait until something arrives. */
  idleMs?: number
}

function isInterruption(error: unknown): boolean {
  return error instanceof ConnectionError || (error instanceof RejectedError && INTERRUPTIONS.has(error.code))
}
