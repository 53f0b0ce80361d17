/** The time of the server, in milliseconds. It is injected, so that tests advance it instead of waiting. */
export interface Clock {
  /** Milliseconds since the Unix epoch. */
  now(): number
  /** Runs `work` every `ms` until the returned function is called. Does not keep the process alive. */
  every(ms: number, work: () => void): () => void
  /** Runs `work` once after `ms` unless the returned function is called first. Does not keep the process alive. */
  after(ms: number, work: () => void): () => void
}

export const systemClock: Clock = {
  now: () => Date.now(),
  every(ms, work) {
    const timer = setInterval(work, ms).unref()
    return () => clearInterval(timer)
  },
  after(ms, work) {
    const timer = setTimeout(work, ms).unref()
    return () => clearTimeout(timer)
  },
}
