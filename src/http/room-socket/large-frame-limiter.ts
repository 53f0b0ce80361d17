import type { Clock } from '../../clock.ts'

/** A large frame that a connection is receiving. */
export interface LargeFrame {
  readonly userId: string
  /** Bytes received so far; 0 when no frame is incoming. */
  readonly incomingBytes: number
  /** Called when a waiting frame gets its slot. */
  acquired(): void
  /** Called when the frame has held its slot for too long, or arrives too slowly. */
  expired(): void
}

/** Maximum time for a frame to arrive and be stored. */
const SLOT_TIMEOUT_MS = 5 * 60_000
/** How often the transfer rate of incoming frames is checked. */
const RATE_CHECK_INTERVAL_MS = 30_000

/**
 * Bounds the memory of large frames with a fixed number of slots, at most one per user. Frames without a slot wait in order,
 * and reading from their connections is paused.
 */
export class LargeFrameLimiter {
  readonly #slots: number
  readonly #clock: Clock
  readonly #minBytes: number
  readonly #waiting = new Set<LargeFrame>()
  /** Frames that hold a slot, each with a function that stops its timers. */
  readonly #holders = new Map<LargeFrame, () => void>()
  readonly #users = new Set<string>()

  /** @param minBytesPerSecond the minimum transfer rate of a frame that holds a slot. */
  constructor(slots: number, clock: Clock, minBytesPerSecond = 0) {
    this.#slots = slots
    this.#clock = clock
    this.#minBytes = (minBytesPerSecond * RATE_CHECK_INTERVAL_MS) / 1_000
  }

  /** Requests a slot. @returns whether one was free; if not, `acquired` is called later. */
  acquire(frame: LargeFrame): boolean {
    if (this.#isFull || this.#users.has(frame.userId)) {
      this.#waiting.add(frame)
      return false
    }
    this.#assign(frame)
    return true
  }

  /** Releases a slot, or stops waiting for one. */
  release(frame: LargeFrame): void {
    this.#waiting.delete(frame)
    const stopTimers = this.#holders.get(frame)
    if (!stopTimers) return
    stopTimers()
    this.#holders.delete(frame)
    this.#users.delete(frame.userId)
    this.#assignToWaiting()
  }

  get #isFull(): boolean {
    return this.#holders.size >= this.#slots
  }

  #assign(frame: LargeFrame): void {
    this.#users.add(frame.userId)
    const stopTimeout = this.#clock.after(SLOT_TIMEOUT_MS, () => frame.expired())
    let before = frame.incomingBytes
    const stopChecking = this.#clock.every(RATE_CHECK_INTERVAL_MS, () => {
      const { incomingBytes } = frame
      // Fewer bytes than at the last check belong to the next frame.
      const isSlow = incomingBytes >= before && incomingBytes - before < this.#minBytes
      if (incomingBytes > 0 && isSlow) frame.expired()
      before = incomingBytes
    })
    this.#holders.set(frame, () => {
      stopTimeout()
      stopChecking()
    })
  }

  #assignToWaiting(): void {
    for (const frame of this.#waiting) {
      if (this.#isFull) return
      if (this.#users.has(frame.userId)) continue
      this.#waiting.delete(frame)
      this.#assign(frame)
      frame.acquired()
    }
  }
}
