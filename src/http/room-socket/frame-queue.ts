/** Waiting frames at which the connection stops reading. */
const MAX_WAITING_FRAMES = 64

/** One WebSocket message. */
export interface Frame {
  data: Buffer
  isBinary: boolean
}

/** What a frame asks for. */
export interface FrameTask {
  /** Whether it may run while earlier ones of its kind still run, because it queues its work in the order of the calls. */
  isConcurrent: boolean
  run(): Promise<void>
}

interface FrameQueueOptions {
  /** Reads a frame; must not throw. */
  read(frame: Frame): FrameTask
  /** Called when a task rejects, after all earlier frames were handled. */
  onError(error: unknown): void
  /** Called after each frame that is added or handled. */
  onChange(): void
}

/** Handles the frames of one connection in the order of arrival. */
export class FrameQueue {
  readonly #options: FrameQueueOptions
  readonly #waiting: Frame[] = []
  #running = 0
  /** Resolves when every frame that was started is handled. */
  #handled: Promise<void> = Promise.resolve()
  #isWorking = false

  constructor(options: FrameQueueOptions) {
    this.#options = options
  }

  get isIdle(): boolean {
    return this.#running === 0 && this.#waiting.length === 0 && !this.#isWorking
  }

  get isFull(): boolean {
    return this.#running + this.#waiting.length >= MAX_WAITING_FRAMES
  }

  add(frame: Frame): void {
    this.#waiting.push(frame)
    this.#options.onChange()
    if (!this.#isWorking) void this.#work()
  }

  /** Drops all waiting frames. */
  clear(): void {
    this.#waiting.length = 0
  }

  async #work(): Promise<void> {
    this.#isWorking = true
    for (let frame = this.#waiting.shift(); frame; frame = this.#waiting.shift()) {
      const task = this.#options.read(frame)
      const mustWait = !task.isConcurrent || this.#running >= MAX_WAITING_FRAMES
      if (mustWait) await this.#handled
      this.#start(task)
      if (!task.isConcurrent) await this.#handled
    }
    this.#isWorking = false
    this.#options.onChange()
  }

  #start(task: FrameTask): void {
    this.#running++
    const failed = task.run().then(
      () => undefined,
      (error: unknown) => ({ error }),
    )
    this.#handled = this.#end(this.#handled, failed)
  }

  async #end(earlier: Promise<void>, failed: Promise<{ error: unknown } | undefined>): Promise<void> {
    const failure = await failed
    await earlier
    if (failure) this.#options.onError(failure.error)
    this.#running--
    this.#options.onChange()
  }
}
