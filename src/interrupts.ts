import type { Clock } from './clock.ts'

/** npm repeats each SIGINT that the terminal has sent. SIGINTs closer together than this count as one key press. */
const REPEAT_INTERVAL_MS = 250
const FORCING_PRESSES = 3
const FORCING_WINDOW_MS = 5_000

/** Counts how often Ctrl-C was pressed. */
export class InterruptCounter {
  readonly #clock: Clock
  #pressedAt: number[] = []

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Counts a SIGINT. @returns whether it is the third key press within five seconds, which forces an immediate exit. */
  isForced(): boolean {
    const now = this.#clock.now()
    if (now - (this.#pressedAt.at(-1) ?? Number.NEGATIVE_INFINITY) < REPEAT_INTERVAL_MS) return false
    this.#pressedAt = [...this.#pressedAt.filter((at) => now - at < FORCING_WINDOW_MS), now]
    return this.#pressedAt.length >= FORCING_PRESSES
  }
}
