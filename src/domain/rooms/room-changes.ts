import type { Clock } from '../../clock.ts'
import type { Database, Orm } from '../../db/database.ts'
import { isOutcomeUnknown } from '../../db/failures.ts'
import { KeyedMutex } from '../shared/keyed-mutex.ts'
import { COMMIT_TIMEOUT_MS, retryUntilCommitted } from '../shared/retry-until-committed.ts'

/** A change of a room. Its transactions lock the room before they read it, so that an earlier attempt is over by then. */
export interface RoomChange<T> {
  roomId: string
  /** Makes the change, in one transaction. */
  make(tx: Orm): Promise<T>
  /**
   * Finds the result of an attempt whose commit outcome is unknown; undefined if it was rolled back. Runs in the transaction that
   * would make the change again.
   */
  find(tx: Orm, made: T): Promise<T | undefined>
  /** Wraps the change with work outside of the database. It runs when the outcome is known, before `onCommitted`. */
  around?<Outcome extends T | undefined>(outcome: () => Promise<Outcome>): Promise<Outcome>
  /** Called after the commit, before any later change of the room. */
  onCommitted(result: T): void
}

const CHECK_RETRY_DELAY_MS = 1_000

/**
 * Makes the changes of each room one after the other. If the outcome of a commit is still unknown when a change times out, it
 * is checked until the database answers, before the next change of the room.
 */
export class RoomChanges {
  readonly #db: Database
  readonly #clock: Clock
  readonly #mutex = new KeyedMutex()
  /** Checks the outcome of the change that timed out, by room. There is never a second: the next change waits for it. */
  readonly #pendingChecks = new Map<string, () => Promise<void>>()

  constructor(db: Database, clock: Clock) {
    this.#db = db
    this.#clock = clock
  }

  /** @throws AppError `busy` when the database stays unavailable, and what the change throws. */
  make<T>(change: RoomChange<T>): Promise<T> {
    const until = this.#clock.now() + COMMIT_TIMEOUT_MS
    return this.#mutex.runExclusive(change.roomId, async () => {
      const result = await this.#commit(change, until)
      change.onCommitted(result)
      return result
    })
  }

  async #commit<T>(change: RoomChange<T>, until: number): Promise<T> {
    /** The result of the latest attempt, before its commit. */
    let made: { result: T } | undefined
    const attempt = (outcomeUnknown: boolean) =>
      this.#db.transaction(async (tx) => {
        const earlier = outcomeUnknown && made ? await change.find(tx, made.result) : undefined
        if (earlier !== undefined) return earlier
        made = undefined
        const result = await change.make(tx)
        made = { result }
        return result
      })
    const outcome = async () => {
      const check = this.#pendingChecks.get(change.roomId)
      if (check) await retryUntilCommitted(check, { clock: this.#clock, until })
      return retryUntilCommitted(attempt, { clock: this.#clock, until })
    }
    try {
      return await (change.around ? change.around(outcome) : outcome())
    } catch (error) {
      if (made && isOutcomeUnknown(error)) this.#checkLater(change, made.result)
      throw error
    }
  }

  #checkLater<T>(change: RoomChange<T>, made: T): void {
    const { roomId } = change
    this.#pendingChecks.set(roomId, async () => {
      const found = await this.#db.transaction((tx) => change.find(tx, made))
      this.#pendingChecks.delete(roomId)
      await change.around?.(async () => found)
      if (found !== undefined) change.onCommitted(found)
    })
    this.#scheduleCheck(roomId)
  }

  #scheduleCheck(roomId: string): void {
    this.#clock.after(CHECK_RETRY_DELAY_MS, () => {
      this.#mutex
        .runExclusive(roomId, async () => this.#pendingChecks.get(roomId)?.())
        .catch(() => this.#scheduleCheck(roomId))
    })
  }
}
