import type { Clock } from '../clock.ts'

/** Someone who is typing somewhere. */
export interface Typist {
  place: string
  userId: string
}

/** Someone who says nothing more for this long has stopped typing. */
const TYPING_MS = 60_000
const SWEEP_MS = 1_000

/** Who is typing where, so that nobody types for ever: the end is told even if the client never says it. */
export class Typists<T extends Typist> {
  readonly #clock: Clock
  readonly #tell: (typist: T, isTyping: boolean) => void
  readonly #typists = new Map<string, { typist: T; until: number }>()
  readonly #stopSweeping: () => void

  constructor(clock: Clock, tell: (typist: T, isTyping: boolean) => void) {
    this.#clock = clock
    this.#tell = tell
    this.#stopSweeping = clock.every(SWEEP_MS, () => this.#sweep())
  }

  start(typist: T): void {
    this.#typists.set(keyOf(typist), { typist, until: this.#clock.now() + TYPING_MS })
    this.#tell(typist, true)
  }

  finish(typist: T): void {
    this.#typists.delete(keyOf(typist))
    this.#tell(typist, false)
  }

  /** Whether this is someone whose end of typing is still to be told. */
  has(typist: Typist): boolean {
    return this.#typists.has(keyOf(typist))
  }

  stop(): void {
    this.#stopSweeping()
  }

  #sweep(): void {
    const now = this.#clock.now()
    for (const { typist, until } of this.#typists.values()) if (until <= now) this.finish(typist)
  }
}

function keyOf({ place, userId }: Typist): string {
  return `${place} ${userId}`
}
