import { busy } from './retry-until-committed.ts'

const MAX_ATTEMPTS = 100

/**
 * Repeats a change that returns undefined because another one was made after it had read what it depends on.
 * @throws AppError `busy` when that happens again and again.
 */
export async function retryWhileStale<T>(change: () => Promise<T | undefined>): Promise<T> {
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    const result = await change()
    if (result !== undefined) return result
  }
  throw busy()
}
