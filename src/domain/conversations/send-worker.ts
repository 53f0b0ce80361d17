import { setImmediate } from 'node:timers/promises'
import type { Clock } from '../../clock.ts'
import type { Database } from '../../db/database.ts'
import { isUniqueViolation } from '../../db/failures.ts'
import {
  CLIENT_MESSAGE_INDEX,
  type Draft,
  findSent,
  type Outcome,
  type Placed,
  type Repeated,
  sendBatch,
} from '../../db/queries/conversations/send-batch.ts'
import { AppError } from '../../errors.ts'
import type { EventBus } from '../shared/events.ts'
import type { QueueLimits } from '../shared/queue-limits.ts'
import { busy, retryUntilCommitted } from '../shared/retry-until-committed.ts'

/** Limits of one batch. Its statement should take milliseconds, since every send of the batch waits for it. */
const MAX_BATCH_SENDS = 128
const MAX_BATCH_COPIES = 2_000
const MAX_BATCH_BYTES = 1_048_576

/** Attempts of one send while the members keep changing. */
const MAX_ATTEMPTS = 100

/** A message that was sent. Its time is in milliseconds since the epoch, with the microseconds as a fraction. */
export interface SentMessage {
  groupId: string
  seq: number
  insertedAt: number
}

/** A message to be stored. */
export interface SendJob {
  draft: Draft
  /** Characters of its contents. */
  size: number
  /** The time after which it is not retried. */
  until: number
  attempts: number
  resolve: (sent: SentMessage) => void
  reject: (error: unknown) => void
}

/** Any other change of a conversation, made in order with its sends. `run` never rejects. */
export interface ChangeJob {
  conversationId: string
  run: () => Promise<void>
}

/** What the workers of one queue share. */
export interface SendWorkerOptions {
  db: Database
  clock: Clock
  events: EventBus
  limits: QueueLimits
}

/**
 * Runs one statement at a time and keeps the order of changes within each conversation. The sends that arrive while a
 * statement is in flight form the next batch.
 */
export class SendWorker {
  readonly #options: SendWorkerOptions
  #jobs: (SendJob | ChangeJob)[] = []
  #isWorking = false

  constructor(options: SendWorkerOptions) {
    this.#options = options
  }

  add(job: SendJob | ChangeJob): void {
    this.#jobs.push(job)
    if (!this.#isWorking) void this.#work()
  }

  async #work(): Promise<void> {
    this.#isWorking = true
    while (this.#jobs[0]) {
      // Reads the sends that have reached the sockets: the embedded database blocks the event loop otherwise.
      await setImmediate()
      if (isChange(this.#jobs[0])) {
        const change = this.#jobs.shift() as ChangeJob
        await change.run()
      } else {
        await this.#store(this.#nextBatch())
      }
    }
    this.#isWorking = false
  }

  /** Removes the oldest sends from the queue, except those behind a waiting change of their conversation. */
  #nextBatch(): SendJob[] {
    const batch: SendJob[] = []
    const remaining: (SendJob | ChangeJob)[] = []
    const blocked = new Set<string>()
    let [copies, size, index] = [0, 0, 0]
    for (; index < this.#jobs.length && batch.length < MAX_BATCH_SENDS; index++) {
      const job = this.#jobs[index] as SendJob | ChangeJob
      if (isChange(job)) {
        blocked.add(job.conversationId)
        remaining.push(job)
      } else if (blocked.has(job.draft.conversationId)) {
        remaining.push(job)
      } else {
        copies += job.draft.copies.length
        size += job.size
        if (batch.length && (copies > MAX_BATCH_COPIES || size > MAX_BATCH_BYTES)) break
        batch.push(job)
      }
    }
    this.#jobs = remaining.concat(this.#jobs.slice(index))
    return batch
  }

  /** Stores a batch, and retries the rest of it until each send is settled. */
  async #store(batch: SendJob[], isOutcomeUnknown = false): Promise<void> {
    const { db, clock } = this.#options
    const until = batch.at(-1)?.until ?? 0
    let waiting = batch
    let outcomeUnknown = isOutcomeUnknown
    while (waiting.length) {
      try {
        const attempt = async (isUnknown: boolean) => {
          outcomeUnknown = isUnknown
          if (isUnknown) waiting = this.#settle(waiting, await findSent(db, waiting.map(draftOf)))
          return waiting.length ? sendBatch(db, waiting.map(draftOf)) : []
        }
        const outcomes = await retryUntilCommitted(attempt, { clock, until, outcomeUnknown })
        waiting = this.#settle(waiting, outcomes)
      } catch (error) {
        // Another process has just stored one of these sends: the next statement finds it.
        if (isUniqueViolation(error, CLIENT_MESSAGE_INDEX) && clock.now() < until) continue
        return this.#storeHalves(waiting, error, outcomeUnknown)
      }
    }
  }

  /** Retries the halves of a batch in order, so that one row that the database rejects does not fail the others. */
  async #storeHalves(sends: SendJob[], error: unknown, outcomeUnknown: boolean): Promise<void> {
    if (sends.length === 1 || error instanceof AppError) {
      for (const send of sends) this.#reject(send, error)
      return
    }
    const middle = Math.ceil(sends.length / 2)
    await this.#store(sends.slice(0, middle), outcomeUnknown)
    await this.#store(sends.slice(middle), outcomeUnknown)
  }

  /** Emits the event of each stored send and settles its promise. Returns the sends to retry, in order. */
  #settle(sends: SendJob[], outcomes: readonly Outcome[]): SendJob[] {
    const stale: SendJob[] = []
    for (const [index, send] of sends.entries()) {
      const outcome = outcomes[index] as Outcome
      if (outcome.verdict === 'ok') this.#publish(send, outcome)
      else if (outcome.verdict === 'repeated') this.#settleRepeated(send, outcome)
      else if (outcome.verdict !== 'stale') this.#reject(send, new AppError(outcome.verdict))
      else if (++send.attempts === MAX_ATTEMPTS) this.#reject(send, busy())
      else stale.push(send)
    }
    return stale
  }

  /** The message with the same client id may be this very send, stored by an earlier attempt without emitting its event. */
  #settleRepeated(send: SendJob, earlier: Repeated): void {
    if (earlier.groupId === send.draft.groupId) this.#publish(send, earlier)
    else this.#resolve(send, earlier)
  }

  #publish(send: SendJob, { seq, insertedAt }: Omit<Placed, 'verdict'>): void {
    const { conversationId, groupId, senderId, copies } = send.draft
    this.#options.events.emit('message_sent', {
      conversationId,
      groupId,
      senderId,
      seq,
      insertedAt,
      updatedAt: insertedAt,
      copies,
    })
    this.#resolve(send, { groupId, seq, insertedAt })
  }

  #resolve(send: SendJob, { groupId, seq, insertedAt }: SentMessage): void {
    this.#options.limits.release(send.size)
    send.resolve({ groupId, seq, insertedAt })
  }

  #reject(send: SendJob, error: unknown): void {
    this.#options.limits.release(send.size)
    send.reject(error)
  }
}

function isChange(job: SendJob | ChangeJob): job is ChangeJob {
  return 'run' in job
}

function draftOf(send: SendJob): Draft {
  return send.draft
}
