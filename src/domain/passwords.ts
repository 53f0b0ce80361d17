import { availableParallelism } from 'node:os'
import { AppError } from '../errors.ts'
import { HashingThreads } from './hashing-threads.ts'

/** Argon2id as OWASP recommends it: 19 MiB, two passes, one thread. It is what the library does by default too. */
const COST = { memoryCost: 19_456, timeCost: 2, parallelism: 1 }

/** Made of random bytes that were thrown away: it takes as long as any other to be found wrong. */
const NOBODYS_HASH =
  '$argon2id$v=19$m=19456,t=2,p=1$5FOhBSVbIOlvXDisTV4/1A$WCSr6ZhpOScXOkMF/rR1A7L7CPsVhfNNgy2kEf99Zd8'

/** A hash keeps a processor busy, and the memory: one processor stays with everybody else, where there are several. */
const AT_ONCE = Math.max(1, Math.min(2, availableParallelism() - 1))
const QUEUE_LENGTH = 256
const RETRY_AFTER_MS = 5_000

/** No password that fits the rules is longer before it is normalised, and normalising a huge one takes seconds. */
const MAX_RAW_LENGTH = 1024

/** The processors belong to the process, however many servers it runs, as tests do. */
const threads = new HashingThreads()

/** Hashes and verifies passwords, a few at a time. */
export class Passwords {
  readonly #atOnce: number
  readonly #waiting: (() => void)[] = []
  #running = 0

  constructor({ atOnce = AT_ONCE } = {}) {
    this.#atOnce = atOnce
  }

  /** @throws AppError `busy` when too many are waiting already. */
  hash(password: string): Promise<string> {
    const job = { kind: 'hash', password: normalizePassword(password), cost: COST } as const
    return this.#inTurn(() => threads.run(job))
  }

  /**
   * Whether the password is the one of the hash; it takes the same time when there is none.
   * @throws AppError `busy` when too many are waiting already.
   */
  verify(passwordHash: string | null | undefined, password: string): Promise<boolean> {
    const isPossible = Boolean(passwordHash) && !isOversized(password)
    const job = {
      kind: 'verify',
      password: isPossible ? normalizePassword(password) : '',
      hash: isPossible ? passwordHash! : NOBODYS_HASH,
    } as const
    return this.#inTurn(async () => (await threads.run(job)) && isPossible)
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (this.#running < this.#atOnce) this.#running++
    else await this.#turn()
    try {
      return await work()
    } finally {
      const next = this.#waiting.shift()
      if (next) next()
      else this.#running--
    }
  }

  #turn(): Promise<void> {
    if (this.#waiting.length >= QUEUE_LENGTH) throw new AppError('busy', { retryAfterMs: RETRY_AFTER_MS })
    return new Promise((resolve) => this.#waiting.push(resolve))
  }
}

/** One spelling for every way to type the same characters. */
export function normalizePassword(password: string): string {
  return password.normalize('NFKC')
}

/** Whether a password is too long to be looked at. */
export function isOversized(password: string): boolean {
  return password.length > MAX_RAW_LENGTH
}
