import type { Frame } from './frame-handler.ts'

/** Waiting frames at which the connection stops reading. */
const MAX_WAITING_FRAMES = 64

/** Handles the frames of one connection sequentially, in the order of arrival. */
export class FrameQueue {
  readonly #handle: (frame: Frame) => Promise<void>
  readonly #onChange: () => void
  readonly #waiting: Frame[] = []
  #isHandling = false

  /**
   * @param handle must not reject.
   * @param onChange is called after each frame that is added or handled.
   */
  constructor(handle: (frame: Frame) => Promise<void>, onChange: () => void) {
    this.#handle = handle
    this.#onChange = onChange
  }

  get isIdle(): boolean {
    return !this.#isHandling && this.#waiting.length === 0
  }

  get isFull(): boolean {
    return this.#waiting.length >= MAX_WAITING_FRAMES
  }

  add(frame: Frame): void {
    this.#waiting.push(frame)
    this.#onChange()
    if (!this.#isHandling) void this.#work()
  }

  /** Drops all waiting frames. */
  clear(): void {
    this.#waiting.length = 0
  }

  async #work(): Promise<void> {
    this.#isHandling = true
    for (let frame = this.#waiting.shift(); frame; frame = this.#waiting.shift()) {
      await this.#handle(frame)
      this.#onChange()
    }
    this.#isHandling = false
    this.#onChange()
  }
}
