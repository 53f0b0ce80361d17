import type { Clock } from '../clock.ts'

/** How long another server may take to answer. */
const DEADLINE_MS = 5_000

/**
 * Waits for `work`, which is told to stop when it takes too long.
 * @throws what `work` throws, or when it takes too long, even if it does not stop.
 */
export async function within<T>(clock: Clock, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const abort = new AbortController()
  const deadline = new Promise<never>((_, reject) => {
    abort.signal.addEventListener('abort', () => reject(abort.signal.reason))
  })
  const cancel = clock.after(DEADLINE_MS, () => abort.abort(new Error('The other server takes too long')))
  try {
    return await Promise.race([work(abort.signal), deadline])
  } finally {
    cancel()
  }
}
