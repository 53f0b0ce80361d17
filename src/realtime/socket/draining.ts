import { setTimeout as sleep } from 'node:timers/promises'
import { CloseCode } from '../codes.ts'
import type { Connection } from './connection.ts'

const BATCHES = 20
const MIN_BATCH_SIZE = 50
const POLL_INTERVAL_MS = 50
const DRAIN_TIMEOUT_MS = 10_000

/**
 * Closes connections with 1012 once their requests are answered, within 10 s. It closes them in batches, because clients that
 * are disconnected together reconnect together.
 */
export async function drainConnections(connections: readonly Connection[]): Promise<void> {
  const size = Math.max(MIN_BATCH_SIZE, Math.ceil(connections.length / BATCHES))
  const deadline = Date.now() + DRAIN_TIMEOUT_MS
  for (let next = 0; next < connections.length; next += size) {
    if (next > 0) await sleep(POLL_INTERVAL_MS)
    const batch = connections.slice(next, next + size)
    for (const connection of batch) connection.stopReading()
    while (batch.some(({ isIdle }) => !isIdle) && Date.now() < deadline) await sleep(POLL_INTERVAL_MS)
    for (const connection of batch) connection.close(CloseCode.serviceRestart, 'restarting')
  }
}
