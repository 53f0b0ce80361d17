import { setTimeout as sleep } from 'node:timers/promises'
import { nanoid } from 'nanoid'
import type { RedisConfig } from '../config/config.ts'
import { causeOf, FailureReporter, type Log } from '../domain/shared/failure-reporter.ts'
import type { Backplane, RouteListener } from '../realtime/cluster/backplane.ts'
import { HEADER_BYTES, NodeMac } from './node-mac.ts'
import { type RedisLink, redisLink } from './redis-link.ts'

export interface RedisBackplaneOptions extends RedisConfig {
  /** Distinguishes deployments that share a Redis server. */
  namespace: string
  /** Signs the messages between the nodes of this deployment. */
  key: Buffer
  log: Log
}

const ID_LENGTH = 12

/** Minimum time between two reports of forged messages. */
const FORGERY_REPORT_INTERVAL_MS = 60_000

/** How long the start waits for a Redis server that cannot be reached. */
const START_TIMEOUT_MS = 3_000

/** A backplane over Redis Pub/Sub, or sharded Pub/Sub with a Redis Cluster. */
export class RedisBackplane implements Backplane {
  readonly nodeId = nanoid(ID_LENGTH)
  readonly isSingleNode = false
  readonly #mac: NodeMac
  readonly #prefix: string
  readonly #log: Log
  readonly #failures: FailureReporter
  readonly #link: RedisLink
  readonly #listeners = new Map<string, RouteListener>()
  /** The routes that Redis has confirmed. */
  readonly #subscribed = new Set<string>()
  readonly #updating = new Map<string, Promise<void>>()
  readonly #restoredListeners: (() => void)[] = []
  #connected = false
  #closed = false
  #forged = 0
  #reportedAt = Number.NEGATIVE_INFINITY

  private constructor({ namespace, key, log, ...config }: RedisBackplaneOptions) {
    this.#prefix = `parley:${namespace}:`
    this.#mac = new NodeMac(key)
    this.#log = log
    this.#failures = new FailureReporter(log, 'Connecting to Redis (REDIS_URL), and so to the other nodes,')
    this.#link = redisLink(config, {
      onLost: (error) => this.#onLost(error),
      onReady: () => void this.#onReady(),
    })
  }

  /** Connects. While Redis cannot be reached it reports the failure and keeps trying. */
  static async connect(options: RedisBackplaneOptions): Promise<RedisBackplane> {
    const backplane = new RedisBackplane(options)
    const connected = backplane.#link.connect().catch((error) => backplane.#onLost(error))
    await Promise.race([connected, sleep(START_TIMEOUT_MS, undefined, { ref: false })])
    return backplane
  }

  get isConnected(): boolean {
    return this.#connected && this.#link.isReady
  }

  subscribe(route: string, listener: RouteListener): Promise<void> {
    this.#listeners.set(route, listener)
    return this.#updateSubscription(route)
  }

  unsubscribe(route: string): void {
    this.#listeners.delete(route)
    void this.#updateSubscription(route)
  }

  publish(route: string, message: Uint8Array): void {
    if (!this.#link.isReady) return
    const signed = Buffer.concat([this.#mac.header(route, message), message])
    // A failure is one of the connection, which is reported there.
    this.#link.publish(this.#prefix + route, signed).catch(() => {})
  }

  onRestored(listener: () => void): void {
    this.#restoredListeners.push(listener)
  }

  /** Runs a Lua script on one key, in the namespace of this deployment. */
  eval(script: string, key: string, args: string[]): Promise<unknown> {
    return this.#link.eval(script, this.#prefix + key, args)
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#connected = false
    this.#listeners.clear()
    await this.#link.close()
  }

  #onLost(error: unknown): void {
    // An error reply, such as to a ping while a script blocks the server, does not mean that the connection is lost.
    if (this.#closed || this.#link.isReady) return
    this.#connected = false
    this.#failures.reportFailure(error)
  }

  async #onReady(): Promise<void> {
    await Promise.all(
      [...this.#listeners.keys(), ...this.#subscribed].map((route) => this.#updateSubscription(route)),
    )
    if (this.#closed || this.#connected || !this.#link.isReady) return
    this.#connected = true
    this.#failures.reportRecovery()
    for (const listener of this.#restoredListeners) listener()
  }

  /** Subscribes or unsubscribes until Redis and the listeners agree. One update runs per route. */
  #updateSubscription(route: string): Promise<void> {
    const running = this.#updating.get(route)
    if (running) return running
    const updated = this.#update(route)
    this.#updating.set(route, updated)
    return updated
  }

  async #update(route: string): Promise<void> {
    const channel = this.#prefix + route
    // Yields, so that the caller registers this promise before `finally` can remove it.
    await undefined
    try {
      while (this.#link.isReady) {
        const isWanted = this.#listeners.has(route)
        if (isWanted === this.#subscribed.has(route)) return
        if (isWanted) {
          await this.#link.subscribe(channel, this.#receive)
          this.#subscribed.add(route)
        } else {
          await this.#link.unsubscribe(channel)
          this.#subscribed.delete(route)
        }
      }
    } catch (error) {
      // After a lost connection, all routes are updated when it is ready again.
      if (this.#link.isReady) this.#log.error({ cause: causeOf(error) }, 'Redis refused a subscription')
    } finally {
      this.#updating.delete(route)
    }
  }

  readonly #receive = (signed: Buffer, channel: Buffer): void => {
    const route = channel.toString('utf8', this.#prefix.length)
    const message = signed.subarray(HEADER_BYTES)
    const sender = this.#mac.senderOf(signed.subarray(0, HEADER_BYTES), route, message)
    if (sender === 'own') return
    // The previous version sends unsigned messages. The next one can reject them.
    if (sender === 'forged') return this.#reportForgery()
    try {
      this.#listeners.get(route)?.(message)
    } catch (error) {
      // The Redis client treats an error thrown here as a broken connection.
      this.#log.error({ cause: causeOf(error) }, 'A message of another node could not be processed')
    }
  }

  #reportForgery(): void {
    this.#forged++
    const now = performance.now()
    if (now - this.#reportedAt < FORGERY_REPORT_INTERVAL_MS) return
    this.#log.error(
      { dropped: this.#forged },
      'Messages without a valid signature were dropped: somebody else can publish on this Redis server (REDIS_URL). Restrict access to it.',
    )
    this.#reportedAt = now
    this.#forged = 0
  }
}
