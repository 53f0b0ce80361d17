import { AppError } from '../../errors.ts'

/** Limits the concurrent operations of each user. Unlike `p-limit`, it rejects excess operations instead of queueing them. */
export class ConcurrencyLimit {
  readonly #max: number
  readonly #message: string
  readonly #running = new Map<string, number>()

  /** @param message the message of the error. */
  constructor(max: number, message: string) {
    this.#max = max
    this.#message = message
  }

  /** @throws AppError `rate_limited` when the maximum is running; what `work` throws. */
  async run<T>(userId: string, work: () => Promise<T>): Promise<T> {
    const running = this.#running.get(userId) ?? 0
    if (running >= this.#max) throw new AppError('rate_limited', { message: this.#message })
    this.#running.set(userId, running + 1)
    try {
      return await work()
    } finally {
      const left = (this.#running.get(userId) ?? 1) - 1
      if (left > 0) this.#running.set(userId, left)
      else this.#running.delete(userId)
    }
  }
}
