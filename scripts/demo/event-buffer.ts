/** A received event. The caller knows the type of `payload`. */
export interface ReceivedEvent {
  topic: string
  event: string
  payload: unknown
}

interface Waiter {
  matches: (received: ReceivedEvent) => boolean
  take: (received: ReceivedEvent) => void
}

/** How long an expected event is waited for. */
const EVENT_TIMEOUT_MS = 30_000

/** Buffers received events until they are taken, so that none is missed between two waits. */
export class EventBuffer {
  readonly #owner: string
  #buffered: ReceivedEvent[] = []
  #waiters: Waiter[] = []

  constructor(owner: string) {
    this.#owner = owner
  }

  deliver(received: ReceivedEvent): void {
    const waiter = this.#waiters.find(({ matches }) => matches(received))
    if (!waiter) this.#buffered.push(received)
    else {
      this.#waiters = this.#waiters.filter((other) => other !== waiter)
      waiter.take(received)
    }
  }

  /** Takes the first event of this name and topic that matches `where`. Waits for it if necessary. */
  take<T>(topic: string, event: string, where: (payload: T) => boolean = () => true): Promise<T> {
    const matches = (received: ReceivedEvent) =>
      received.topic === topic && received.event === event && where(received.payload as T)
    const found = this.#buffered.find(matches)
    if (found) {
      this.#buffered = this.#buffered.filter((other) => other !== found)
      return Promise.resolve(found.payload as T)
    }
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        reject(new Error(`${this.#owner} did not receive ${event} on ${topic}`))
      }, EVENT_TIMEOUT_MS).unref()
      this.#waiters.push({
        matches,
        take: ({ payload }) => {
          clearTimeout(timer)
          resolve(payload as T)
        },
      })
    })
  }
}
