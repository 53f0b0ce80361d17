import { type Clock, systemClock } from '../../clock.ts'
import type { Database } from '../../db/database.ts'
import type { Draft } from '../../db/queries/conversations/send-batch.ts'
import type { EventBus } from '../shared/events.ts'
import { type QueueCapacity, QueueLimits } from '../shared/queue-limits.ts'
import { COMMIT_TIMEOUT_MS, retryUntilCommitted } from '../shared/retry-until-committed.ts'
import { SendWorker, type SentMessage } from './send-worker.ts'

const QUEUE_CAPACITY: QueueCapacity = { changes: 10_000, size: 64 * 1_048_576 }

/** Settings for tests and benchmarks. */
export interface SendQueueOptions {
  clock?: Clock
  /** Statements in flight at the same time. */
  workers?: number
  limits?: Partial<QueueCapacity>
}

/** A change of one conversation other than a send. */
export interface ConversationChange<T> {
  conversationId: string
  /** Makes the change in one transaction. `outcomeUnknown`: an earlier attempt may have been committed. */
  work: (outcomeUnknown: boolean) => Promise<T>
  /** Called after the commit, before any later change of the conversation. */
  onCommitted?: (result: T) => void
}

/**
 * Stores the changes of each conversation in the order they arrive, many sends per statement (group commit), and emits an
 * event for each after its commit. Each conversation is pinned to one send worker, which serializes its changes.
 */
export class SendQueue {
  readonly #clock: Clock
  readonly #limits: QueueLimits
  readonly #workers: SendWorker[]

  constructor(db: Database, events: EventBus, options: SendQueueOptions = {}) {
    // The embedded database runs one statement at a time, so that a second worker would only halve the batches.
    const { clock = systemClock, workers = db.kind === 'embedded' ? 1 : 2, limits } = options
    this.#clock = clock
    this.#limits = new QueueLimits({ ...QUEUE_CAPACITY, ...limits })
    const shared = { db, clock, events, limits: this.#limits }
    this.#workers = Array.from({ length: workers }, () => new SendWorker(shared))
  }

  /**
   * Stores a message, unless its sender has sent one with the same client message id. Resolves after its event was emitted.
   * @returns the stored message, or the earlier one.
   * @throws AppError `busy`, `no_conversation`, `not_enough_recipients` or `too_many_recipients`.
   */
  send(draft: Draft): Promise<SentMessage> {
    let size = 0
    for (const copy of draft.copies) size += copy.content.length
    return new Promise((resolve, reject) => {
      this.#limits.admit(size)
      const until = this.#clock.now() + COMMIT_TIMEOUT_MS
      this.#workerOf(draft.conversationId).add({ draft, size, until, attempts: 0, resolve, reject })
    })
  }

  /**
   * Makes any other change, in order with the sends of its conversation.
   * @throws AppError `busy`, and what `work` throws.
   */
  change<T>({ conversationId, work, onCommitted }: ConversationChange<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#limits.admit(0)
      const clock = this.#clock
      const until = clock.now() + COMMIT_TIMEOUT_MS
      const run = async () => {
        try {
          const result = await retryUntilCommitted(work, { clock, until })
          onCommitted?.(result)
          resolve(result)
        } catch (error) {
          reject(error)
        } finally {
          this.#limits.release(0)
        }
      }
      this.#workerOf(conversationId).add({ conversationId, run })
    })
  }

  /** Resolves when every queued change is stored or rejected. */
  idle(): Promise<void> {
    return this.#limits.drained()
  }

  #workerOf(conversationId: string): SendWorker {
    // The last digits of a UUID are random.
    const worker = Number.parseInt(conversationId.slice(-6), 16) % this.#workers.length
    return this.#workers[worker] as SendWorker
  }
}
