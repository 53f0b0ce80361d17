import type { Clock } from '../../clock.ts'
import type { Database } from '../../db/database.ts'
import { deleteExpiredTokens } from '../../db/queries/accounts/one-time-tokens.ts'
import { deleteExpiredStates } from '../../db/queries/accounts/used-states.ts'
import { deleteOldAuditEvents } from '../../db/queries/security/audit-events.ts'
import { deleteRevokedSessions } from '../../db/queries/sessions/sessions.ts'
import { deleteExpiredAttempts } from '../../db/queries/two-factor/code-attempts.ts'
import { RETENTION_MS } from '../security/security-log.ts'
import { FailureReporter, type Log } from '../shared/failure-reporter.ts'
import { ATTEMPT_WINDOW_MS } from '../two-factor/code-limits.ts'
import { ACCESS_TOKEN_LIFETIME_MS } from './access-tokens.ts'

const CLEANUP_INTERVAL_MS = 60 * 60 * 1000
const BATCH_SIZE = 1000

export interface JanitorOptions {
  db: Database
  clock: Clock
  log: Log
  /** Ends and announces up to `limit` expired sessions; returns how many. */
  endExpired(limit: number): Promise<number>
}

/** Ends expired sessions and deletes expired rows, every hour. */
export class Janitor {
  readonly #db: Database
  readonly #clock: Clock
  readonly #endExpired: JanitorOptions['endExpired']
  readonly #failures: FailureReporter
  #cancel = () => {}
  #cleaning: Promise<void> | undefined

  constructor({ db, clock, log, endExpired }: JanitorOptions) {
    this.#db = db
    this.#clock = clock
    this.#endExpired = endExpired
    this.#failures = new FailureReporter(log, 'Deleting expired sessions and tokens')
  }

  start(): void {
    this.#cancel = this.#clock.every(CLEANUP_INTERVAL_MS, () => this.#clean())
  }

  /** Resolves when no query is running. */
  async stop(): Promise<void> {
    this.#cancel()
    await this.#cleaning
  }

  /** Cleans up once. Works in batches, so that no statement runs long. */
  async removeExpired(): Promise<void> {
    const { orm } = this.#db
    const now = new Date(this.#clock.now())
    // A starting node loads the revocations of sessions whose access tokens may still be valid.
    const revokedBefore = new Date(now.getTime() - 2 * ACCESS_TOKEN_LIFETIME_MS)
    while ((await this.#endExpired(BATCH_SIZE)) === BATCH_SIZE);
    while ((await deleteRevokedSessions(orm, { revokedBefore, limit: BATCH_SIZE })) === BATCH_SIZE);
    while ((await deleteExpiredTokens(orm, now, BATCH_SIZE)) === BATCH_SIZE);
    const attemptedBefore = new Date(now.getTime() - ATTEMPT_WINDOW_MS)
    while (
      (await deleteExpiredAttempts(orm, { now, before: attemptedBefore, limit: BATCH_SIZE })) === BATCH_SIZE
    );
    const happenedBefore = new Date(now.getTime() - RETENTION_MS)
    while ((await deleteOldAuditEvents(orm, happenedBefore, BATCH_SIZE)) === BATCH_SIZE);
    while ((await deleteExpiredStates(orm, now, BATCH_SIZE)) === BATCH_SIZE);
  }

  #clean(): void {
    this.#cleaning ??= this.#cleanSafely().finally(() => {
      this.#cleaning = undefined
    })
  }

  async #cleanSafely(): Promise<void> {
    try {
      await this.removeExpired()
      this.#failures.reportRecovery()
    } catch (error) {
      this.#failures.reportFailure(error)
    }
  }
}
