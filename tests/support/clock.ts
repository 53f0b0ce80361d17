import type { Clock } from '../../src/clock.ts'

interface Timer {
  at: number
  period: number | undefined
  work: () => void
}

/** A clock that stands still until it is advanced; timers that fall due run on the way, in order. */
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

  /** Moves time forward; what the timers started in the background is not waited for. */
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

  /** Moves time forward as when a suspended machine wakes up: a timer that fell due many times runs once. */
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
    return [...this.#timers].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0]
  }
}
