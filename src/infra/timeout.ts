import type { Clock } from '../clock.ts'

/** How long another server may take to answer. */
const REQUEST_TIMEOUT_MS = 5_000

/**
 * Runs `work` with a timeout of 5 s, after which its signal is aborted.
 * @throws the error of `work`, or a timeout, whether or not `work` reacts to the signal.
 */
export async function withTimeout<T>(clock: Clock, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const abort = new AbortController()
  const deadline = new Promise<never>((_, reject) => {
    abort.signal.addEventListener('abort', () => reject(abort.signal.reason))
  })
  const cancel = clock.after(REQUEST_TIMEOUT_MS, () =>
    abort.abort(new Error('The other server did not answer within 5 seconds')),
  )
  try {
    return await Promise.race([work(abort.signal), deadline])
  } finally {
    cancel()
  }
}
