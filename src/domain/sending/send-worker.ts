import { setImmediate } from 'node:timers/promises'
import { BatchStorage, type BatchStorageOptions } from './batch-storage.ts'
import { isChange, type Job, type SendJob } from './jobs.ts'
import type { SendKind } from './send-kind.ts'

/** Limits of one batch. Its statement should take milliseconds, since every send of the batch waits for it. */
const MAX_BATCH_SENDS = 128
const MAX_BATCH_ROWS = 2_000
const MAX_BATCH_SIZE = 1_048_576

/**
 * Runs one statement at a time and keeps the order of changes within each stream. The sends that arrive while a statement is in
 * flight form the next batch, which has the kind of the oldest of them.
 */
export class SendWorker {
  /** The unfinished jobs. Only the queue sets it. */
  jobCount = 0
  readonly #storage: BatchStorage
  #jobs: Job[] = []
  /** Streams that wait for work outside of the database. */
  readonly #held = new Set<string>()
  #isWorking = false

  constructor(options: BatchStorageOptions) {
    this.#storage = new BatchStorage(options)
  }

  add(job: Job): void {
    this.#jobs.push(job)
    this.#start()
  }

  #start(): void {
    if (!this.#isWorking) void this.#work()
  }

  async #work(): Promise<void> {
    this.#isWorking = true
    for (let index = this.#indexOfNext(); index >= 0; index = this.#indexOfNext()) {
      // Reads the sends that have reached the sockets: the embedded database blocks the event loop otherwise.
      await setImmediate()
      await this.#run(index)
    }
    this.#isWorking = false
  }

  /** The oldest job whose stream is not held; -1 if there is none. */
  #indexOfNext(): number {
    return this.#jobs.findIndex(({ stream }) => !this.#held.has(stream))
  }

  async #run(index: number): Promise<void> {
    const job = this.#jobs[index] as Job
    if (!isChange(job)) return this.#storage.store(this.#nextBatch(job.kind))
    this.#jobs.splice(index, 1)
    const finish = await job.run()
    if (finish) void this.#hold(job.stream, finish)
  }

  async #hold(stream: string, finish: () => Promise<void>): Promise<void> {
    this.#held.add(stream)
    await finish()
    this.#held.delete(stream)
    this.#start()
  }

  /** Removes the oldest sends of a kind from the queue, except those that have to wait for a change of their stream. */
  #nextBatch(kind: SendKind<unknown, unknown>): SendJob[] {
    const batch: SendJob[] = []
    const remaining: Job[] = []
    const blocked = new Set(this.#held)
    let [rows, size, index] = [0, 0, 0]
    for (; index < this.#jobs.length && batch.length < MAX_BATCH_SENDS; index++) {
      const job = this.#jobs[index] as Job
      if (isChange(job)) blocked.add(job.stream)
      if (isChange(job) || job.kind !== kind || blocked.has(job.stream)) {
        remaining.push(job)
      } else {
        rows += kind.rowsOf(job.draft)
        size += job.size
        if (batch.length && (rows > MAX_BATCH_ROWS || size > MAX_BATCH_SIZE)) break
        batch.push(job)
      }
    }
    this.#jobs = remaining.concat(this.#jobs.slice(index))
    return batch
  }
}
