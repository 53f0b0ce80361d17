import { setTimeout as sleep } from 'node:timers/promises'
import { nanoid } from 'nanoid'
import type { RedisConfig } from '../config.ts'
import { causeOf, type Log, Outage } from '../domain/outage.ts'
import type { Backplane, RouteListener } from '../realtime/backplane.ts'
import { type RedisLink, redisLink } from './redis-link.ts'

export interface RedisBackplaneOptions extends RedisConfig {
  /** Keeps deployments that share a Redis apart. */
  namespace: string
  log: Log
}

/** Bytes of a node's id: they precede each message, so that a node knows its own. */
const ID_LENGTH = 12

/** A start does not wait longer for a Redis that is away. */
const START_PATIENCE_MS = 3_000

/** The backplane over the publish and subscribe commands of Redis; with a cluster, the sharded ones. */
export class RedisBackplane implements Backplane {
  readonly nodeId = nanoid(ID_LENGTH)
  readonly isAlone = false
  readonly #id = Buffer.from(this.nodeId)
  readonly #prefix: string
  readonly #log: Log
  readonly #outage: Outage
  readonly #link: RedisLink
  readonly #listeners = new Map<string, RouteListener>()
  /** What Redis has confirmed. */
  readonly #subscribed = new Set<string>()
  readonly #settling = new Map<string, Promise<void>>()
  readonly #whenRestored: (() => void)[] = []
  #connected = false
  #closed = false

  private constructor({ namespace, log, ...config }: RedisBackplaneOptions) {
    this.#prefix = `parley:${namespace}:`
    this.#log = log
    this.#outage = new Outage(log, 'Reaching Redis (REDIS_URL), and so the other nodes,')
    this.#link = redisLink(config, {
      lost: (error) => this.#lose(error),
      ready: () => void this.#restore(),
    })
  }

  /** Connects. A Redis that is away is reported, and tried again for as long as it takes. */
  static async connect(options: RedisBackplaneOptions): Promise<RedisBackplane> {
    const backplane = new RedisBackplane(options)
    const connected = backplane.#link.connect().catch((error) => backplane.#lose(error))
    await Promise.race([connected, sleep(START_PATIENCE_MS, undefined, { ref: false })])
    return backplane
  }

  get isConnected(): boolean {
    return this.#connected && this.#link.isReady
  }

  subscribe(route: string, listener: RouteListener): Promise<void> {
    this.#listeners.set(route, listener)
    return this.#settle(route)
  }

  unsubscribe(route: string): void {
    this.#listeners.delete(route)
    void this.#settle(route)
  }

  publish(route: string, message: Uint8Array): void {
    if (!this.#link.isReady) return
    // A failure is that of the link, which reports it.
    this.#link.publish(this.#prefix + route, Buffer.concat([this.#id, message])).catch(() => {})
  }

  onRestored(listener: () => void): void {
    this.#whenRestored.push(listener)
  }

  /** Runs a Lua script on a key of this deployment. */
  eval(script: string, key: string, args: string[]): Promise<unknown> {
    return this.#link.eval(script, this.#prefix + key, args)
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#connected = false
    this.#listeners.clear()
    await this.#link.close()
  }

  #lose(error: unknown): void {
    // A command that is refused, as pings are while a script runs too long, says nothing of the connection.
    if (this.#closed || this.#link.isReady) return
    this.#connected = false
    this.#outage.begin(error)
  }

  async #restore(): Promise<void> {
    await Promise.all([...this.#listeners.keys(), ...this.#subscribed].map((route) => this.#settle(route)))
    if (this.#closed || this.#connected || !this.#link.isReady) return
    this.#connected = true
    this.#outage.end()
    for (const listener of this.#whenRestored) listener()
  }

  /** Brings the subscription of a route to what is wanted, one step at a time. */
  #settle(route: string): Promise<void> {
    const underWay = this.#settling.get(route)
    if (underWay) return underWay
    const settled = this.#step(route)
    this.#settling.set(route, settled)
    return settled
  }

  async #step(route: string): Promise<void> {
    const channel = this.#prefix + route
    // Not at once: it is under way until it has looked for the last time what is wanted.
    await undefined
    try {
      while (this.#link.isReady) {
        const isWanted = this.#listeners.has(route)
        if (isWanted === this.#subscribed.has(route)) return
        if (isWanted) {
          await this.#link.subscribe(channel, this.#hear)
          this.#subscribed.add(route)
        } else {
          await this.#link.unsubscribe(channel)
          this.#subscribed.delete(route)
        }
      }
    } catch (error) {
      // Where the link is lost, all is settled again when it is back.
      if (this.#link.isReady) this.#log.error({ cause: causeOf(error) }, 'Redis refused a subscription')
    } finally {
      this.#settling.delete(route)
    }
  }

  readonly #hear = (message: Buffer, channel: Buffer): void => {
    if (message.subarray(0, ID_LENGTH).equals(this.#id)) return
    const route = channel.toString('utf8', this.#prefix.length)
    try {
      this.#listeners.get(route)?.(message.subarray(ID_LENGTH))
    } catch (error) {
      // Such as of a node of another version. What the client of Redis is told of, it takes for a fault of the connection.
      this.#log.error({ cause: causeOf(error) }, 'What another node told could not be understood')
    }
  }
}
