import type { Clock } from '../../clock.ts'
import { retryUntilCommitted } from '../shared/retry-until-committed.ts'
import type { ChangeJob } from './jobs.ts'

const CHECK_RETRY_DELAY_MS = 1_000

/**
 * Finds out the outcome of a change; rejects while the database does not answer. It resolves with what is left to do, which runs
 * once.
 */
export type Check = () => Promise<() => Promise<void>>

/**
 * The changes that timed out before the outcome of their commit was known, by stream. It is checked until the database answers, and
 * always before the next change of the stream.
 */
export class UnknownOutcomes {
  readonly #clock: Clock
  readonly #enqueue: (job: ChangeJob) => void
  /** There is never a second check of a stream: its next change waits for the first. */
  readonly #checks = new Map<string, Check>()

  /** @param enqueue runs a job in order with the changes of its stream. */
  constructor(clock: Clock, enqueue: (job: ChangeJob) => void) {
    this.#clock = clock
    this.#enqueue = enqueue
  }

  /** Calls `check` in a second, and before the next change of the stream, until it resolves. */
  checkLater(stream: string, check: Check): void {
    this.#checks.set(stream, check)
    this.#schedule(stream)
  }

  /** Whether the outcome of an earlier change of the stream is unknown. */
  has(stream: string): boolean {
    return this.#checks.has(stream)
  }

  /** Settles the earlier change of a stream. @throws AppError `busy` */
  async settle(stream: string, until: number): Promise<void> {
    if (this.has(stream)) await retryUntilCommitted(() => this.#check(stream), { clock: this.#clock, until })
  }

  async #check(stream: string): Promise<void> {
    const finish = await this.#checks.get(stream)?.()
    this.#checks.delete(stream)
    await finish?.()
  }

  #schedule(stream: string): void {
    const run = async () => {
      await this.#check(stream).catch(() => this.#schedule(stream))
      return undefined
    }
    this.#clock.after(CHECK_RETRY_DELAY_MS, () => {
      if (this.has(stream)) this.#enqueue({ stream, run })
    })
  }
}
