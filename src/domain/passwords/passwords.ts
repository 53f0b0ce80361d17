import { availableParallelism } from 'node:os'
import { AppError } from '../../errors.ts'
import type { HashJob } from './hashing-thread.js'
import { HashingThreads } from './hashing-threads.ts'

/** Argon2id with the parameters that OWASP recommends: 19 MiB, two passes, one thread. */
const COST = { memoryCost: 19_456, timeCost: 2, parallelism: 1 }

/** A hash of random bytes, for accounts that do not exist: checking it takes as long as any other. */
const DUMMY_HASH =
  '$argon2id$v=19$m=19456,t=2,p=1$5FOhBSVbIOlvXDisTV4/1A$WCSr6ZhpOScXOkMF/rR1A7L7CPsVhfNNgy2kEf99Zd8'

/** A hash occupies one CPU. On machines with several, one stays free for other work. */
const MAX_CONCURRENT_HASHES = Math.max(1, Math.min(2, availableParallelism() - 1))
const MAX_QUEUE_LENGTH = 256
const RETRY_AFTER_MS = 5_000

/** UTF-16 code units before normalization. No valid password is longer, and normalizing a huge one takes seconds. */
const MAX_RAW_LENGTH = 1024

/** Shared by all servers of the process. */
const threads = new HashingThreads()

/** The result of checking the password of a sign-in; `unneeded` if the account has none. */
export type PasswordResult = 'right' | 'wrong' | 'missing' | 'unneeded'

interface PasswordsOptions {
  maxConcurrent?: number
  /** The cost parameters of new hashes. */
  cost?: HashJob['cost']
  /** Verified for an account without a hash. Must have the same cost. */
  dummyHash?: string
}

/** Hashes and verifies passwords, with bounded concurrency and a bounded queue. */
export class Passwords {
  readonly #maxConcurrent: number
  readonly #cost: HashJob['cost']
  readonly #dummyHash: string
  readonly #waiting: (() => void)[] = []
  #running = 0

  constructor({
    maxConcurrent = MAX_CONCURRENT_HASHES,
    cost = COST,
    dummyHash = DUMMY_HASH,
  }: PasswordsOptions = {}) {
    this.#maxConcurrent = maxConcurrent
    this.#cost = cost
    this.#dummyHash = dummyHash
  }

  /** @throws AppError `busy` when the queue is full. */
  hash(password: string): Promise<string> {
    const job = { kind: 'hash', password: normalizePassword(password), cost: this.#cost } as const
    return this.#limitConcurrency(() => threads.run(job))
  }

  /**
   * Whether the password matches the hash. Takes the same time without a hash, and is false then.
   * @throws AppError `busy` when the queue is full.
   */
  verify(passwordHash: string | null | undefined, password: string): Promise<boolean> {
    const isPossible = Boolean(passwordHash) && !isOversized(password)
    const job = {
      kind: 'verify',
      password: isPossible ? normalizePassword(password) : '',
      hash: isPossible ? passwordHash! : this.#dummyHash,
    } as const
    return this.#limitConcurrency(async () => (await threads.run(job)) && isPossible)
  }

  async #limitConcurrency<T>(work: () => Promise<T>): Promise<T> {
    if (this.#running < this.#maxConcurrent) this.#running++
    else await this.#waitForSlot()
    try {
      return await work()
    } finally {
      const next = this.#waiting.shift()
      if (next) next()
      else this.#running--
    }
  }

  #waitForSlot(): Promise<void> {
    if (this.#waiting.length >= MAX_QUEUE_LENGTH) throw new AppError('busy', { retryAfterMs: RETRY_AFTER_MS })
    return new Promise((resolve) => this.#waiting.push(resolve))
  }
}

/** Normalizes to NFKC, so that different ways to enter the same characters match. */
export function normalizePassword(password: string): string {
  return password.normalize('NFKC')
}

/** Whether a password is too long to be normalized. */
export function isOversized(password: string): boolean {
  return password.length > MAX_RAW_LENGTH
}
