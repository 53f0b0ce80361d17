import type { Clock } from '../../clock.ts'
import type { Database } from '../../db/database.ts'
import { listExpiries } from '../../db/queries/sessions/sessions.ts'
import { FailureReporter, type Log } from '../shared/failure-reporter.ts'

interface SessionExpiriesOptions {
  db: Database
  clock: Clock
  /** The longest lifetime of a session, however often it is refreshed. */
  maxAgeMs: number
  log: Log
}

/** Reads when sessions expire, for the connections that end with them. */
export class SessionExpiries {
  readonly #db: Database
  readonly #clock: Clock
  readonly #maxAgeMs: number
  readonly #failures: FailureReporter
  #latest: Promise<unknown> | undefined

  constructor({ db, clock, maxAgeMs, log }: SessionExpiriesOptions) {
    this.#db = db
    this.#clock = clock
    this.#maxAgeMs = maxAgeMs
    this.#failures = new FailureReporter(log, 'Reading the expiry of sessions')
  }

  /**
   * When some sessions expire unless they are refreshed, in milliseconds since the epoch. Sessions that have ended are left out.
   * Undefined while the database fails.
   */
  read(sessionIds: string[]): Promise<ReadonlyMap<string, number> | undefined> {
    const reading = this.#read(sessionIds)
    this.#latest = reading
    return reading
  }

  /** Resolves when the latest query has ended. */
  async stop(): Promise<void> {
    await this.#latest
  }

  async #read(sessionIds: string[]): Promise<ReadonlyMap<string, number> | undefined> {
    try {
      const found = await listExpiries(this.#db.orm, sessionIds)
      this.#failures.reportRecovery()
      const expiries = found.map(({ id, createdAt, expiresAt }): [string, number] => [
        id,
        Math.min(expiresAt.getTime(), createdAt.getTime() + this.#maxAgeMs),
      ])
      return new Map(expiries.filter(([, expiresAt]) => expiresAt > this.#clock.now()))
    } catch (error) {
      this.#failures.reportFailure(error)
      return undefined
    }
  }
}
