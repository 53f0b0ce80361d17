import { nanoid } from 'nanoid'
import type { Backplane, RouteListener } from '../realtime/backplane.ts'

/** A backplane without a network: one for a node that is alone, or several that share a process. */
export class LocalBackplane implements Backplane {
  readonly nodeId = nanoid()
  readonly isConnected = true
  readonly #peers: Set<LocalBackplane>
  readonly #listeners = new Map<string, RouteListener>()

  private constructor(peers: Set<LocalBackplane>) {
    this.#peers = peers
  }

  /** For the only node there is. */
  static alone(): LocalBackplane {
    return LocalBackplane.#join(new Set())
  }

  /** One for each of several nodes that hear each other. */
  static together(count: number): LocalBackplane[] {
    const peers = new Set<LocalBackplane>()
    return Array.from({ length: count }, () => LocalBackplane.#join(peers))
  }

  static #join(peers: Set<LocalBackplane>): LocalBackplane {
    const backplane = new LocalBackplane(peers)
    peers.add(backplane)
    return backplane
  }

  get isAlone(): boolean {
    return this.#peers.size === 1
  }

  subscribe(route: string, listener: RouteListener): undefined {
    this.#listeners.set(route, listener)
  }

  unsubscribe(route: string): void {
    this.#listeners.delete(route)
  }

  /** The others hear it in a later turn, as they would over a network. */
  publish(route: string, message: Uint8Array): void {
    for (const peer of this.#peers) {
      if (peer !== this) setImmediate(() => peer.#listeners.get(route)?.(Buffer.from(message)))
    }
  }

  /** Nothing is ever lost. */
  onRestored(): void {}

  async close(): Promise<void> {
    this.#listeners.clear()
  }
}
