import type { Clock } from '../../src/clock.ts'

interface Timer {
  at: number
  period: number | undefined
  work: () => void
}

/** A clock that stands still until it is advanced. Timers then run in order of their time. */
export class ManualClock implements Clock {
  readonly #timers = new Set<Timer>()
  #now: number

  constructor(now = Date.UTC(2026, 0, 15, 12)) {
    this.#now = now
  }

  now(): number {
    return this.#now
  }

  every(ms: number, work: () => void): () => void {
    return this.#add({ at: this.#now + ms, period: ms, work })
  }

  after(ms: number, work: () => void): () => void {
    return this.#add({ at: this.#now + ms, period: undefined, work })
  }

  /** Advances the time and runs timers. Does not wait for asynchronous work of the timers. */
  advance(ms: number): void {
    const end = this.#now + ms
    for (let timer = this.#nextDue(end); timer; timer = this.#nextDue(end)) {
      this.#now = timer.at
      if (timer.period === undefined) this.#timers.delete(timer)
      else timer.at += timer.period
      timer.work()
    }
    this.#now = end
  }

  /** Advances the time as after a suspend: a timer that is due several times runs once. */
  jump(ms: number): void {
    this.#now += ms
    for (const timer of [...this.#timers].filter(({ at }) => at <= this.#now)) {
      if (timer.period === undefined) this.#timers.delete(timer)
      else timer.at = this.#now + timer.period
      timer.work()
    }
  }

  #add(timer: Timer): () => void {
    this.#timers.add(timer)
    return () => this.#timers.delete(timer)
  }

  #nextDue(end: number): Timer | undefined {
    let next: Timer | undefined
    for (const timer of this.#timers) if (timer.at <= end && !(next && next.at <= timer.at)) next = timer
    return next
  }
}
