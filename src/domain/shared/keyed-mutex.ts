/** A mutex per key: work of the same key runs one after the other, in the order of the calls. */
export class KeyedMutex {
  readonly #last = new Map<string, Promise<unknown>>()

  /** Runs `work` after all earlier work of the key has settled. */
  runExclusive<T>(key: string, work: () => Promise<T>): Promise<T> {
    const current = (this.#last.get(key) ?? Promise.resolve()).then(work, work)
    this.#last.set(key, current)
    const forget = () => {
      if (this.#last.get(key) === current) this.#last.delete(key)
    }
    current.then(forget, forget)
    return current
  }
}
