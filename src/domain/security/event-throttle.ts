import type { Clock } from '../../clock.ts'

export interface ThrottleOptions<Event> {
  clock: Clock
  /** How many events of a key pass in a window. */
  max: number
  windowMs: number
  /** Called at the end of a window with the number of suppressed events and the last of them. */
  report(event: Event, suppressed: number): void
}

interface Window<Event> {
  startedAt: number
  passed: number
  suppressed: number
  last: Event
}

/** Maximum number of keys with their own window. Further keys share one. */
const MAX_KEYS = 10_000
const SHARED_KEY = ''

/** Passes the first events of each key in every window, and counts the rest. */
export class EventThrottle<Event> {
  readonly #options: ThrottleOptions<Event>
  readonly #windows = new Map<string, Window<Event>>()

  constructor(options: ThrottleOptions<Event>) {
    this.#options = options
  }

  /** Whether the event passes. Suppressed events are reported together at the end of their window. */
  pass(key: string, event: Event): boolean {
    if (this.take(key, event)) return true
    const window = this.#windowOf(key, event)
    window.suppressed++
    window.last = event
    return false
  }

  /** Whether the event passes, without counting it as suppressed if it does not. */
  take(key: string, event: Event): boolean {
    const window = this.#windowOf(key, event)
    if (window.passed >= this.#options.max) return false
    window.passed++
    return true
  }

  /** Ends windows whose time is over. */
  sweep(): void {
    const endedBefore = this.#options.clock.now() - this.#options.windowMs
    for (const [key, window] of this.#windows) if (window.startedAt <= endedBefore) this.#end(key, window)
  }

  /** Ends all windows. */
  finish(): void {
    for (const [key, window] of this.#windows) this.#end(key, window)
  }

  #windowOf(wantedKey: string, event: Event): Window<Event> {
    const key = this.#windows.has(wantedKey) || this.#windows.size < MAX_KEYS ? wantedKey : SHARED_KEY
    const { clock, windowMs } = this.#options
    const known = this.#windows.get(key)
    if (known && clock.now() < known.startedAt + windowMs) return known
    if (known) this.#end(key, known)
    const window = { startedAt: clock.now(), passed: 0, suppressed: 0, last: event }
    this.#windows.set(key, window)
    return window
  }

  #end(key: string, { last, suppressed }: Window<Event>): void {
    this.#windows.delete(key)
    if (suppressed > 0) this.#options.report(last, suppressed)
  }
}
