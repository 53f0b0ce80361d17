import { type Clock, systemClock } from '../clock.ts'
import type { Database } from '../db/database.ts'
import type { Draft } from '../db/queries/send-batch.ts'
import { Backlog, type BacklogLimits } from './backlog.ts'
import type { EventBus } from './events.ts'
import { Lane, type Sent } from './lane.ts'
import { PATIENCE_MS, persist } from './persist.ts'

const MOST_WAITING: BacklogLimits = { changes: 10_000, size: 64 * 1_048_576 }

/** How the queue departs from what suits one server: only tests and benchmarks need it. */
export interface SendQueueOptions {
  clock?: Clock
  /** How many statements may be in flight at once. */
  lanes?: number
  limits?: Partial<BacklogLimits>
}

/** A change of one conversation other than a send. */
export interface ConversationChange<T> {
  conversationId: string
  /** Makes the change, in one transaction; `unsure` when an earlier try was lost, and may have been committed. */
  work: (unsure: boolean) => Promise<T>
  /** Called when it is committed, before anything later of the same conversation. */
  announce?: ((result: T) => void) | undefined
}

/**
 * Puts the changes of each conversation into the database in the order they came, many sends to a statement (group
 * commit), and emits an event for each once it is committed. A conversation always rides in the same lane.
 */
export class SendQueue {
  readonly #clock: Clock
  readonly #backlog: Backlog
  readonly #lanes: Lane[]

  constructor(db: Database, events: EventBus, options: SendQueueOptions = {}) {
    // The embedded database runs one statement at a time, so that a second lane would only halve the batches.
    const { clock = systemClock, lanes = db.kind === 'embedded' ? 1 : 2, limits } = options
    this.#clock = clock
    this.#backlog = new Backlog({ ...MOST_WAITING, ...limits })
    const tools = { db, clock, events, backlog: this.#backlog }
    this.#lanes = Array.from({ length: lanes }, () => new Lane(tools))
  }

  /**
   * Stores a message, unless its sender has sent one by the same name before. Resolves after its event was emitted.
   * @returns what became of it, then or now.
   * @throws AppError `busy`, `no_conversation`, `not_enough_recipients` or `too_many_recipients`.
   */
  send(draft: Draft): Promise<Sent> {
    let size = 0
    for (const copy of draft.copies) size += copy.content.length
    return new Promise((resolve, reject) => {
      this.#backlog.admit(size)
      const until = this.#clock.now() + PATIENCE_MS
      this.#laneOf(draft.conversationId).add({ draft, size, until, tries: 0, resolve, reject })
    })
  }

  /**
   * Makes any other change, in its turn among the sends of its conversation.
   * @throws AppError `busy`, and what `work` throws.
   */
  change<T>({ conversationId, work, announce }: ConversationChange<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#backlog.admit(0)
      const clock = this.#clock
      const until = clock.now() + PATIENCE_MS
      const run = async () => {
        try {
          const result = await persist(work, { clock, until })
          announce?.(result)
          resolve(result)
        } catch (error) {
          reject(error)
        } finally {
          this.#backlog.release(0)
        }
      }
      this.#laneOf(conversationId).add({ conversationId, run })
    })
  }

  /** Resolves when everything that waits is stored or refused. */
  idle(): Promise<void> {
    return this.#backlog.ended()
  }

  #laneOf(conversationId: string): Lane {
    // The last digits of a UUID are random.
    const lane = Number.parseInt(conversationId.slice(-6), 16) % this.#lanes.length
    return this.#lanes[lane] as Lane
  }
}
