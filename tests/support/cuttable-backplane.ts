import { LocalBackplane } from '../../src/infra/local-backplane.ts'
import type { Backplane, RouteListener } from '../../src/realtime/backplane.ts'

/** A backplane that can be cut: then nothing leaves, and nothing arrives. */
export class CuttableBackplane implements Backplane {
  isConnected = true
  readonly isAlone = false
  readonly #inner: LocalBackplane
  readonly #whenRestored: (() => void)[] = []

  constructor(inner: LocalBackplane) {
    this.#inner = inner
  }

  /** One for each of several nodes of one process. */
  static together(count: number): CuttableBackplane[] {
    return LocalBackplane.together(count).map((inner) => new CuttableBackplane(inner))
  }

  get nodeId() {
    return this.#inner.nodeId
  }

  subscribe(route: string, listener: RouteListener) {
    return this.#inner.subscribe(route, (message) => {
      if (this.isConnected) listener(message)
    })
  }

  unsubscribe(route: string) {
    this.#inner.unsubscribe(route)
  }

  publish(route: string, message: Uint8Array) {
    if (this.isConnected) this.#inner.publish(route, message)
  }

  onRestored(listener: () => void) {
    this.#whenRestored.push(listener)
  }

  restore() {
    this.isConnected = true
    for (const listener of this.#whenRestored) listener()
  }

  close() {
    return this.#inner.close()
  }
}
