/** An event as it came: `payload` is for the reader to know. */
export interface Arrival {
  topic: string
  event: string
  payload: unknown
}

interface Reader {
  matches: (arrival: Arrival) => boolean
  take: (arrival: Arrival) => void
}

/** Only bounds how long a failure takes: what is expected is taken the moment it arrives. */
const GIVE_UP_MS = 30_000

/** Keeps events until someone asks for them, so that none is missed between two waits. */
export class Inbox {
  readonly #owner: string
  #arrived: Arrival[] = []
  #readers: Reader[] = []

  constructor(owner: string) {
    this.#owner = owner
  }

  deliver(arrival: Arrival): void {
    const reader = this.#readers.find(({ matches }) => matches(arrival))
    if (!reader) this.#arrived.push(arrival)
    else {
      this.#readers = this.#readers.filter((other) => other !== reader)
      reader.take(arrival)
    }
  }

  /** Takes the first event of this name on this topic, past or future, for which `where` holds. */
  take<T>(topic: string, event: string, where: (payload: T) => boolean = () => true): Promise<T> {
    const matches = (arrival: Arrival) =>
      arrival.topic === topic && arrival.event === event && where(arrival.payload as T)
    const found = this.#arrived.find(matches)
    if (found) {
      this.#arrived = this.#arrived.filter((other) => other !== found)
      return Promise.resolve(found.payload as T)
    }
    return new Promise((resolve, reject) => {
      const giveUp = setTimeout(() => {
        reject(new Error(`${this.#owner} never got ${event} on ${topic}`))
      }, GIVE_UP_MS).unref()
      this.#readers.push({
        matches,
        take: ({ payload }) => {
          clearTimeout(giveUp)
          resolve(payload as T)
        },
      })
    })
  }
}
