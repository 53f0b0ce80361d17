import { nanoid } from 'nanoid'
import type { Backplane, RouteListener } from '../../src/realtime/cluster/backplane.ts'

/** A backplane for nodes in one process, which can be disconnected: it then neither sends nor receives. */
export class InProcessBackplane implements Backplane {
  readonly nodeId = nanoid()
  readonly isSingleNode = false
  isConnected = true
  readonly #peers: Set<InProcessBackplane>
  readonly #listeners = new Map<string, RouteListener>()
  readonly #restoredListeners: (() => void)[] = []

  private constructor(peers: Set<InProcessBackplane>) {
    this.#peers = peers
    peers.add(this)
  }

  /** The backplanes of `count` nodes that are connected with each other. */
  static group(count: number): InProcessBackplane[] {
    const peers = new Set<InProcessBackplane>()
    return Array.from({ length: count }, () => new InProcessBackplane(peers))
  }

  subscribe(route: string, listener: RouteListener): undefined {
    this.#listeners.set(route, listener)
  }

  unsubscribe(route: string): void {
    this.#listeners.delete(route)
  }

  /** Delivers in a later tick, as a network would. */
  publish(route: string, message: Uint8Array): void {
    if (!this.isConnected) return
    for (const peer of this.#peers) {
      if (peer !== this) setImmediate(() => peer.#receive(route, Buffer.from(message)))
    }
  }

  onRestored(listener: () => void): void {
    this.#restoredListeners.push(listener)
  }

  restore(): void {
    this.isConnected = true
    for (const listener of this.#restoredListeners) listener()
  }

  async close(): Promise<void> {
    this.#listeners.clear()
  }

  #receive(route: string, message: Buffer): void {
    if (this.isConnected) this.#listeners.get(route)?.(message)
  }
}
