import type { Clock } from '../clock.ts'
import type { Database } from '../db/database.ts'
import { deleteOldTries } from '../db/queries/code-attempts.ts'
import { deleteExpiredStates } from '../db/queries/identities.ts'
import { deleteDeadSessions } from '../db/queries/sessions.ts'
import { deleteExpiredTokens } from '../db/queries/tokens.ts'
import { ACCESS_TOKEN_MS } from './access-tokens.ts'
import { type Log, Outage } from './outage.ts'
import { TRY_WINDOW_MS } from './totp-attempts.ts'

const EVERY_MS = 60 * 60 * 1000
const BATCH = 1000

/** Removes sessions and tokens that are past use from the database, every hour. */
export class Janitor {
  readonly #db: Database
  readonly #clock: Clock
  readonly #outage: Outage
  #cancel = () => {}
  #cleaning: Promise<void> | undefined

  constructor({ db, clock, log }: { db: Database; clock: Clock; log: Log }) {
    this.#db = db
    this.#clock = clock
    this.#outage = new Outage(log, 'Removing expired sessions and tokens')
  }

  start(): void {
    this.#cancel = this.#clock.every(EVERY_MS, () => this.#clean())
  }

  /** Resolves when no query is on its way any more. */
  async stop(): Promise<void> {
    this.#cancel()
    await this.#cleaning
  }

  /** Does it now, in batches, so that no statement runs long. */
  async removeExpired(): Promise<void> {
    const { orm } = this.#db
    const now = new Date(this.#clock.now())
    // A node that starts now must still learn of the revocations whose access tokens may be alive.
    const revokedBefore = new Date(now.getTime() - 2 * ACCESS_TOKEN_MS)
    while ((await deleteDeadSessions(orm, { now, revokedBefore, limit: BATCH })) === BATCH);
    while ((await deleteExpiredTokens(orm, now, BATCH)) === BATCH);
    const triedBefore = new Date(now.getTime() - TRY_WINDOW_MS)
    while ((await deleteOldTries(orm, triedBefore, BATCH)) === BATCH);
    while ((await deleteExpiredStates(orm, now, BATCH)) === BATCH);
  }

  #clean(): void {
    this.#cleaning ??= this.#attempt().finally(() => {
      this.#cleaning = undefined
    })
  }

  async #attempt(): Promise<void> {
    try {
      await this.removeExpired()
      this.#outage.end()
    } catch (error) {
      this.#outage.begin(error)
    }
  }
}
