import { setImmediate } from 'node:timers/promises'
import type { Clock } from '../../clock.ts'
import { mayBeCommitted } from '../../db/failures.ts'
import { AppError } from '../../errors.ts'
import type { QueueLimits } from '../shared/queue-limits.ts'
import { busy, retryUntilCommitted } from '../shared/retry-until-committed.ts'
import type { SendJob } from './jobs.ts'
import type { SendKind, SendOutcome } from './send-kind.ts'
import type { UnknownOutcomes } from './unknown-outcomes.ts'

/** Attempts of one send while the members keep changing. */
const MAX_ATTEMPTS = 100

/** What the workers of one queue share. */
export interface BatchStorageOptions {
  clock: Clock
  limits: QueueLimits
  unknownOutcomes: UnknownOutcomes
}

/** Stores batches of sends, and settles each send. */
export class BatchStorage {
  readonly #clock: Clock
  readonly #limits: QueueLimits
  readonly #unknownOutcomes: UnknownOutcomes

  constructor({ clock, limits, unknownOutcomes }: BatchStorageOptions) {
    this.#clock = clock
    this.#limits = limits
    this.#unknownOutcomes = unknownOutcomes
  }

  /** Stores a batch of one kind, and retries the rest of it until each send is settled. */
  async store(batch: readonly SendJob[], wasUnknown = false): Promise<void> {
    const clock = this.#clock
    const until = batch.at(-1)?.until ?? 0
    let waiting = await this.#settleEarlier(batch, until)
    let outcomeUnknown = wasUnknown
    let isMaybeStored = wasUnknown
    const [{ kind }] = batch as [SendJob]
    const attempt = async (isUnknown: boolean) => {
      outcomeUnknown = isUnknown
      try {
        if (isUnknown) waiting = await this.#settle(waiting, await kind.find(draftsOf(waiting)))
        isMaybeStored = false
        return waiting.length ? await kind.store(draftsOf(waiting)) : []
      } catch (error) {
        isMaybeStored ||= mayBeCommitted(error)
        throw error
      }
    }
    while (waiting.length) {
      try {
        const outcomes = await retryUntilCommitted(attempt, { clock, until, outcomeUnknown })
        waiting = await this.#settle(waiting, outcomes)
        isMaybeStored = false
      } catch (error) {
        // The next statement finds the message that another process has just stored.
        if (kind.isRepeat(error) && clock.now() < until) continue
        if (waiting.length > 1 && !(error instanceof AppError))
          return this.#storeHalves(waiting, outcomeUnknown)
        if (isMaybeStored) this.#checkLater(kind, waiting)
        for (const send of waiting) this.#reject(send, error)
        return
      }
    }
  }

  /** Stores the halves of a batch in order, so that one row that the database rejects does not fail the others. */
  async #storeHalves(sends: readonly SendJob[], outcomeUnknown: boolean): Promise<void> {
    const middle = Math.ceil(sends.length / 2)
    await this.store(sends.slice(0, middle), outcomeUnknown)
    await this.store(sends.slice(middle), outcomeUnknown)
  }

  /** Settles what is unknown of the streams of a batch. Returns the sends that can be stored after that. */
  async #settleEarlier(batch: readonly SendJob[], until: number): Promise<readonly SendJob[]> {
    let waiting = batch
    for (const { stream } of batch) {
      if (!this.#unknownOutcomes.has(stream)) continue
      try {
        await this.#unknownOutcomes.settle(stream, until)
      } catch (error) {
        for (const send of waiting) if (send.stream === stream) this.#reject(send, error)
        waiting = waiting.filter((send) => send.stream !== stream)
      }
    }
    return waiting
  }

  #checkLater(kind: SendKind<unknown, unknown>, sends: readonly SendJob[]): void {
    for (const stream of new Set(sends.map((send) => send.stream))) {
      const drafts = draftsOf(sends.filter((send) => send.stream === stream))
      this.#unknownOutcomes.checkLater(stream, async () => {
        const outcomes = await kind.find(drafts)
        return async () => {
          for (const [index, outcome] of outcomes.entries()) {
            if (outcome.verdict === 'sent' && outcome.isNew) kind.publish(drafts[index], outcome.sent)
          }
        }
      })
    }
  }

  /** Emits the event of each stored send and settles its promise. Returns the sends to retry, in order. */
  async #settle(sends: readonly SendJob[], outcomes: readonly SendOutcome<unknown>[]): Promise<SendJob[]> {
    const stale: SendJob[] = []
    let hasRejected = false
    for (const [index, send] of sends.entries()) {
      const outcome = outcomes[index] as SendOutcome<unknown>
      if (outcome.verdict === 'sent') {
        // A sender learns of a rejection before the events of later messages.
        if (hasRejected) await setImmediate()
        hasRejected = false
        if (outcome.isNew) send.kind.publish(send.draft, outcome.sent)
        this.#limits.release(send.size)
        send.resolve(outcome.sent)
      } else if (outcome.verdict === 'stale' && ++send.attempts < MAX_ATTEMPTS) {
        stale.push(send)
      } else {
        this.#reject(send, outcome.verdict === 'stale' ? busy() : new AppError(outcome.code))
        hasRejected = true
      }
    }
    return stale
  }

  #reject(send: SendJob, error: unknown): void {
    this.#limits.release(send.size)
    send.reject(error)
  }
}

function draftsOf(sends: readonly SendJob[]): unknown[] {
  return sends.map(({ draft }) => draft)
}
