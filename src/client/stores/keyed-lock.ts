/** Runs functions of the same name one after the other. */
export class KeyedLock {
  readonly #tails = new Map<string, Promise<unknown>>()

  run<T>(name: string, run: () => Promise<T>): Promise<T> {
    const before = this.#tails.get(name) ?? Promise.resolve()
    const result = before.then(run)
    const tail = result.catch(() => {})
    this.#tails.set(name, tail)
    void tail.then(() => {
      if (this.#tails.get(name) === tail) this.#tails.delete(name)
    })
    return result
  }

  /** Resolves when everything that was started has ended. */
  async idle(): Promise<void> {
    await Promise.all(this.#tails.values())
  }
}
