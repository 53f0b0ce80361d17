import type { Clock } from '../../clock.ts'
import type { Database } from '../../db/database.ts'
import { findKnownMedia } from '../../db/queries/media/media.ts'
import { FailureReporter, type Log } from '../shared/failure-reporter.ts'
import type { MediaStore } from './media-store.ts'

const RECOVERY_INTERVAL_MS = 60 * 60 * 1000

/** Moves committed files to their permanent location, and retries until that succeeds, also after a crash. */
export class MediaRecovery {
  readonly #db: Database
  readonly #clock: Clock
  readonly #store: MediaStore
  readonly #failures: FailureReporter
  #cancel = () => {}
  #running: Promise<void> | undefined

  constructor({ db, clock, store, log }: { db: Database; clock: Clock; store: MediaStore; log: Log }) {
    this.#db = db
    this.#clock = clock
    this.#store = store
    this.#failures = new FailureReporter(log, 'Moving uploads to permanent storage')
  }

  /** Recovers now and every hour. @throws when the store cannot be used. */
  async start(): Promise<void> {
    await this.#recover()
    this.#cancel = this.#clock.every(RECOVERY_INTERVAL_MS, () => void this.#recoverInBackground())
  }

  /** Stops recovery; resolves when a running one has ended. */
  async stop(): Promise<void> {
    this.#cancel()
    await this.#running
  }

  /** Keeps a file whose row is committed. If that fails, the file is served from its temporary location, and recovered later. */
  async keep(id: string): Promise<void> {
    try {
      await this.#store.keep(id)
      this.#failures.reportRecovery()
    } catch (error) {
      this.#failures.reportFailure(error)
    }
  }

  async #recover(): Promise<void> {
    await this.#store.recover((ids) => findKnownMedia(this.#db.orm, ids))
  }

  #recoverInBackground(): Promise<void> {
    this.#running ??= this.#recover()
      .then(
        () => this.#failures.reportRecovery(),
        (error) => this.#failures.reportFailure(error),
      )
      .finally(() => {
        this.#running = undefined
      })
    return this.#running
  }
}
