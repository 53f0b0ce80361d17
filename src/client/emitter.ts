/** Registers listeners by the name of an event. */
export class Emitter<Events extends object> {
  readonly #listeners = new Map<keyof Events, Set<(payload: never) => void>>()

  /** Calls a listener for every event of a name. @returns the function that removes it. */
  on<Name extends keyof Events>(name: Name, listener: (payload: Events[Name]) => void): () => void {
    const listeners = this.#listeners.get(name) ?? new Set()
    this.#listeners.set(name, listeners)
    listeners.add(listener)
    return () => void listeners.delete(listener)
  }

  /** Resolves with the next event of a name that passes the test. */
  once<Name extends keyof Events>(
    name: Name,
    accepts: (payload: Events[Name]) => boolean = () => true,
  ): Promise<Events[Name]> {
    return new Promise((resolve) => {
      const stop = this.on(name, (payload) => {
        if (!accepts(payload)) return
        stop()
        resolve(payload)
      })
    })
  }

  /** Calls the listeners of an event. An error of a listener is reported, and does not reach the caller. */
  protected emit<Name extends keyof Events>(name: Name, payload: Events[Name]): void {
    for (const listener of [...(this.#listeners.get(name) ?? [])]) {
      try {
        // The set of a name holds only listeners for its payload.
        listener(payload as never)
      } catch (error) {
        queueMicrotask(() => {
          throw error
        })
      }
    }
  }
}
