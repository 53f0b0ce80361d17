import { type Clock, systemClock } from '../../clock.ts'
import type { Database } from '../../db/database.ts'
import { isOutcomeUnknown } from '../../db/failures.ts'
import { type QueueCapacity, QueueLimits } from '../shared/queue-limits.ts'
import { COMMIT_TIMEOUT_MS, retryUntilCommitted } from '../shared/retry-until-committed.ts'
import type { ChangeJob } from './jobs.ts'
import type { SendKind } from './send-kind.ts'
import { SendWorker } from './send-worker.ts'
import { type Check, UnknownOutcomes } from './unknown-outcomes.ts'

const QUEUE_CAPACITY: QueueCapacity = { changes: 10_000, size: 64 * 1_048_576 }

/** Settings for tests and benchmarks. */
export interface SendQueueOptions {
  clock?: Clock
  /** Statements in flight at the same time. */
  workers?: number
  limits?: Partial<QueueCapacity>
}

/** A change of one stream (a conversation or a room) other than a message that is stored in a batch. */
export interface StreamChange<T> {
  stream: string
  /** Makes the change in one transaction. `outcomeUnknown`: an earlier attempt may have been committed. */
  work: (outcomeUnknown: boolean) => Promise<T>
  /**
   * Finds the result of an attempt whose commit outcome was still unknown when the change timed out; undefined if it was rolled back.
   * Called until it resolves, before the next change of the stream. Without it, such a change ends without `onCommitted`.
   */
  find?: () => Promise<T | undefined>
  /**
   * Work outside of the database once the outcome is known; `result` is undefined if nothing was committed. Later changes of the
   * stream wait for it, those of other streams do not. Also called for a change that the full queue rejects.
   */
  finish?: (result: T | undefined) => Promise<void>
  /** Called after the commit and `finish`, before any later change of the stream. */
  onCommitted?: (result: T) => void
}

/**
 * Stores the changes of each stream in the order they arrive, many messages per statement (group commit), and emits an event for each
 * after its commit. While a stream has unfinished jobs it is pinned to one send worker, which serializes them.
 */
export class SendQueue {
  readonly #clock: Clock
  readonly #limits: QueueLimits
  readonly #unknownOutcomes: UnknownOutcomes
  readonly #workers: SendWorker[]
  /** The streams with unfinished jobs. */
  readonly #pins = new Map<string, Pin>()

  constructor(db: Pick<Database, 'kind'>, options: SendQueueOptions = {}) {
    // The embedded database runs one statement at a time, so that a second worker would only halve the batches.
    const { clock = systemClock, workers = db.kind === 'embedded' ? 1 : 2, limits } = options
    this.#clock = clock
    this.#limits = new QueueLimits({ ...QUEUE_CAPACITY, ...limits })
    this.#unknownOutcomes = new UnknownOutcomes(clock, (job) => this.#add(job))
    const shared = { clock, limits: this.#limits, unknownOutcomes: this.#unknownOutcomes }
    this.#workers = Array.from({ length: workers }, () => new SendWorker(shared))
  }

  /**
   * Stores a message, unless its sender has sent one with the same client message id. Resolves after its event was emitted.
   * @returns the stored message, or the earlier one.
   * @throws AppError `busy`, or the rule of its kind that it breaks.
   */
  send<Draft, Sent>(kind: SendKind<Draft, Sent>, draft: Draft): Promise<Sent> {
    const size = kind.sizeOf(draft)
    const stream = kind.streamOf(draft)
    return new Promise((resolve, reject) => {
      this.#limits.admit(size)
      const until = this.#clock.now() + COMMIT_TIMEOUT_MS
      const pin = this.#pin(stream)
      pin.worker.add({
        ...{ kind, stream, draft, size, until, attempts: 0 },
        resolve: (sent: Sent) => {
          this.#unpin(stream, pin)
          resolve(sent)
        },
        reject: (error) => {
          this.#unpin(stream, pin)
          reject(error)
        },
      })
    })
  }

  /**
   * Makes any other change, in order with the messages of its stream.
   * @throws AppError `busy`, and what `work` throws.
   */
  async change<T>(change: StreamChange<T>): Promise<T> {
    try {
      this.#limits.admit(0)
    } catch (error) {
      await change.finish?.(undefined)
      throw error
    }
    const until = this.#clock.now() + COMMIT_TIMEOUT_MS
    const pin = this.#pin(change.stream)
    try {
      return await new Promise<T>((resolve, reject) => {
        const run = () => this.#run<T>(change, { until, resolve, reject })
        pin.worker.add({ stream: change.stream, run })
      })
    } finally {
      this.#unpin(change.stream, pin)
      this.#limits.release(0)
    }
  }

  /** Resolves when every queued change is stored or rejected. */
  idle(): Promise<void> {
    return this.#limits.drained()
  }

  async #run<T>(
    change: StreamChange<T>,
    { until, resolve, reject }: RunningChange<T>,
  ): ReturnType<ChangeJob['run']> {
    const { stream, work, find, finish, onCommitted } = change
    const clock = this.#clock
    const commit = (result: T) => {
      onCommitted?.(result)
      resolve(result)
    }
    try {
      await this.#unknownOutcomes.settle(stream, until)
      const result = await retryUntilCommitted(work, { clock, until })
      if (finish) return () => finish(result).then(() => commit(result), reject)
      commit(result)
    } catch (error) {
      if (find && isOutcomeUnknown(error)) this.#unknownOutcomes.checkLater(stream, checkOf(change))
      else if (finish) return () => finish(undefined).then(() => reject(error), reject)
      reject(error)
    }
    return undefined
  }

  /** Runs a job that nobody waits for, in order with the changes of its stream. */
  #add({ stream, run }: ChangeJob): void {
    const pin = this.#pin(stream)
    pin.worker.add({
      stream,
      run: async () => {
        const finish = await run()
        this.#unpin(stream, pin)
        return finish
      },
    })
  }

  /** Counts a job of a stream. Its worker is that of the stream's unfinished jobs, otherwise the one with the fewest jobs. */
  #pin(stream: string): Pin {
    const pin = this.#pins.get(stream) ?? { worker: this.#leastBusy(), jobs: 0 }
    pin.jobs++
    pin.worker.jobCount++
    this.#pins.set(stream, pin)
    return pin
  }

  #unpin(stream: string, pin: Pin): void {
    pin.worker.jobCount--
    if (--pin.jobs === 0) this.#pins.delete(stream)
  }

  #leastBusy(): SendWorker {
    return this.#workers.reduce((least, worker) => (worker.jobCount < least.jobCount ? worker : least))
  }
}

/** The worker of a stream, and how many of its jobs are unfinished. */
interface Pin {
  worker: SendWorker
  jobs: number
}

interface RunningChange<T> {
  /** The time after which it is not retried. */
  until: number
  resolve(result: T): void
  reject(error: unknown): void
}

function checkOf<T>({ find, finish, onCommitted }: StreamChange<T>): Check {
  return async () => {
    const found = await find?.()
    return async () => {
      await finish?.(found)
      if (found !== undefined) onCommitted?.(found)
    }
  }
}
