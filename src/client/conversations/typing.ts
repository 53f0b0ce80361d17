/** A typing user is announced again after this time: the server forgets them a minute after the last one. */
const REPEAT_AFTER_MS = 20_000
/** Someone who was announced this long ago has stopped, even if nobody says so. */
const STOPPED_AFTER_MS = 65_000

/** Announces that the user types, as rarely as possible. */
export class TypingAnnouncer {
  readonly #push: (event: 'start_typing' | 'finish_typing') => void
  #announcedAt = Number.NEGATIVE_INFINITY

  constructor(push: (event: 'start_typing' | 'finish_typing') => void) {
    this.#push = push
  }

  /** Call it on every keystroke. */
  start(): void {
    const now = performance.now()
    if (now - this.#announcedAt < REPEAT_AFTER_MS) return
    this.#announcedAt = now
    this.#push('start_typing')
  }

  finish(): void {
    if (this.#announcedAt === Number.NEGATIVE_INFINITY) return
    this.#announcedAt = Number.NEGATIVE_INFINITY
    this.#push('finish_typing')
  }
}

/** Who types. */
export class TypingUsers {
  readonly #since = new Map<string, number>()

  get ids(): string[] {
    const oldest = performance.now() - STOPPED_AFTER_MS
    return [...this.#since].filter(([, since]) => since > oldest).map(([id]) => id)
  }

  /** @returns whether that is new. */
  started(id: string): boolean {
    const isNew = !this.ids.includes(id)
    this.#since.set(id, performance.now())
    return isNew
  }

  /** @returns whether that is new. */
  finished(id: string): boolean {
    return this.#since.delete(id)
  }

  clear(): void {
    this.#since.clear()
  }
}
