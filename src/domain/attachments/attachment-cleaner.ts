import type { Clock } from '../../clock.ts'
import type { Database } from '../../db/database.ts'
import {
  deleteAttachment,
  recordRemoved,
  releaseAbandoned,
  releasedAttachments,
  removedAttachments,
} from '../../db/queries/attachments/removal.ts'
import { FailureReporter, type Log } from '../shared/failure-reporter.ts'
import { DAY_MS } from './attachment-quota.ts'
import type { AttachmentStore } from './attachment-store.ts'

const CLEANUP_INTERVAL_MS = 60 * 60 * 1000
const BATCH_SIZE = 100

/**
 * Deletes the files of attachments whose messages were deleted, and of those that have waited a day for a message. The decision is
 * committed first, then the file is deleted, then that is recorded: after a crash, the next run goes on.
 */
export class AttachmentCleaner {
  readonly #db: Database
  readonly #clock: Clock
  readonly #store: AttachmentStore
  readonly #failures: FailureReporter
  #cancel = () => {}
  #running: Promise<void> | undefined
  #isRequested = false
  #isStopped = false

  constructor({
    db,
    clock,
    store,
    log,
  }: {
    db: Database
    clock: Clock
    store: AttachmentStore
    log: Log
  }) {
    this.#db = db
    this.#clock = clock
    this.#store = store
    this.#failures = new FailureReporter(log, 'Deleting attachments')
  }

  /** Cleans up now and every hour, in the background. */
  start(): void {
    this.#cancel = this.#clock.every(CLEANUP_INTERVAL_MS, () => this.request())
    this.request()
  }

  /** Resolves when no run is under way. */
  async idle(): Promise<void> {
    await this.#running
  }

  /** Deletes nothing from now on. Resolves when no run is under way. */
  async stop(): Promise<void> {
    this.#isStopped = true
    this.#cancel()
    await this.idle()
  }

  /** Cleans up soon. */
  request(): void {
    if (this.#isStopped) return
    this.#isRequested = true
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined
    })
  }

  /** Cleans up once. */
  async clean(): Promise<void> {
    const now = this.#clock.now()
    const dayAgo = new Date(now - DAY_MS)
    const abandoned = { before: dayAgo, now: new Date(now), limit: BATCH_SIZE }
    while ((await releaseAbandoned(this.#db, abandoned)) === BATCH_SIZE);
    await this.#forBatches(
      () => releasedAttachments(this.#db, BATCH_SIZE),
      (id) => recordRemoved(this.#db, id, new Date(now)),
    )
    // Its writer may have created the file again before it noticed the deletion.
    const removedBefore = new Date(now - CLEANUP_INTERVAL_MS)
    await this.#forBatches(
      () => removedAttachments(this.#db, { before: dayAgo, removedBefore, limit: BATCH_SIZE }),
      (id) => deleteAttachment(this.#db, id),
    )
  }

  async #forBatches(read: () => Promise<string[]>, record: (id: string) => Promise<void>): Promise<void> {
    for (let ids = await read(); ids.length; ids = ids.length < BATCH_SIZE ? [] : await read()) {
      for (const id of ids) {
        await this.#store.remove(id)
        await record(id)
      }
    }
  }

  async #run(): Promise<void> {
    while (this.#isRequested && !this.#isStopped) {
      this.#isRequested = false
      try {
        await this.clean()
        this.#failures.reportRecovery()
      } catch (error) {
        this.#failures.reportFailure(error)
      }
    }
  }
}
