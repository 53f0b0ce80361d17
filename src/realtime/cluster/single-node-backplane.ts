import { randomUUID } from 'node:crypto'
import type { Backplane } from './backplane.ts'

/** The backplane of a deployment with one node. Messages have no receivers. */
export class SingleNodeBackplane implements Backplane {
  readonly nodeId = randomUUID()
  readonly isSingleNode = true
  readonly isConnected = true

  subscribe(): undefined {}

  unsubscribe(): void {}

  publish(): void {}

  onRestored(): void {}

  async close(): Promise<void> {}
}
