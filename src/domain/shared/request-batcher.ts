import { setImmediate } from 'node:timers/promises'

interface PendingRequest<Request, Response> {
  request: Request
  resolve: (response: Response) => void
  reject: (error: unknown) => void
}

interface RequestBatcherOptions {
  maxBatchSize: number
  maxConcurrentBatches: number
}

/**
 * Combines concurrent requests into batches. While the maximum number of batches is running, requests wait for the next one.
 * When a batch fails, all its requests fail.
 */
export class RequestBatcher<Request, Response> {
  readonly #load: (requests: Request[]) => Promise<Response[]>
  readonly #options: RequestBatcherOptions
  readonly #waiting: PendingRequest<Request, Response>[] = []
  #runningBatches = 0

  /** @param load returns the response to each request, in the same order. */
  constructor(load: (requests: Request[]) => Promise<Response[]>, options: RequestBatcherOptions) {
    this.#load = load
    this.#options = options
  }

  request(request: Request): Promise<Response> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ request, resolve, reject })
      if (this.#runningBatches < this.#options.maxConcurrentBatches) void this.#work()
    })
  }

  async #work(): Promise<void> {
    this.#runningBatches++
    while (this.#waiting.length) {
      // Lets requests join that have already reached the sockets.
      await setImmediate()
      await this.#run(this.#waiting.splice(0, this.#options.maxBatchSize))
    }
    this.#runningBatches--
  }

  async #run(batch: PendingRequest<Request, Response>[]): Promise<void> {
    if (!batch.length) return
    try {
      const responses = await this.#load(batch.map(({ request }) => request))
      for (const [index, { resolve }] of batch.entries()) resolve(responses[index] as Response)
    } catch (error) {
      for (const { reject } of batch) reject(error)
    }
  }
}
