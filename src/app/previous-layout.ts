import type { Clock } from '../clock.ts'
import type { Database } from '../db/database.ts'
import { dropPreviousLayout } from '../db/previous-layout.ts'
import { FailureReporter, type Log } from '../domain/shared/failure-reporter.ts'

/** How often to look for nodes of the previous version. They are usually gone soon after this one has started. */
const RETRY_INTERVAL_MS = 10_000

/** Drops the tables of the previous version as soon as no node of that version is connected. Returns a function that stops it. */
export function retirePreviousLayout({ kind, rows }: Database, clock: Clock, log: Log): () => void {
  // Nobody else can use an embedded database, so it was done when it was opened.
  if (kind === 'embedded') return () => {}
  const reporter = new FailureReporter(log, 'Dropping the tables of the previous version')
  const retry = async () => {
    try {
      if (await dropPreviousLayout(rows)) stop()
    } catch (error) {
      reporter.reportFailure(error)
    }
  }
  const stop = clock.every(RETRY_INTERVAL_MS, () => void retry())
  return stop
}
