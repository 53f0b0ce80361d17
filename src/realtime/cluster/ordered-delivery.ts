import { setImmediate } from 'node:timers/promises'
import type { Clock } from '../../clock.ts'
import { decodeEnvelope, type Envelope, encodeEnvelope } from './envelope.ts'
import type { Nodes } from './nodes.ts'
import { type CatchUpBatch, Sequencer } from './sequencer.ts'

/** The position of an envelope: its stream, and its number there. */
export interface StreamPosition {
  stream: string
  seq: number
  /** Whether to deliver the envelope without waiting for earlier ones. A stream that is new to the owner starts at `seq`. */
  isUnordered?: boolean | undefined
}

/** The latest position of each stream. */
export type Positions = [stream: string, position: number][]

/**
 * Describes what is delivered. Nodes subscribe by owner, such as a user or a room. An owner may have many streams, such as the
 * conversations of a user.
 */
export interface OrderedDeliveryOptions<Metadata extends StreamPosition> {
  /** Distinguishes the deliveries of a deployment, by the route of their messages. */
  name: string
  /** Reads the latest stored positions of each owner's streams. */
  positions(owners: readonly string[]): Promise<Map<string, Positions>>
  /** Delivers an envelope to the owner's subscribers on this node. Called in order. */
  deliver(owner: string, envelope: Envelope<Metadata>): void
  /** See `SequencerOptions`. */
  catchUp(owner: string, stream: string, after: number | undefined): Promise<CatchUpBatch>
  /** Called when a read fails. It is retried. */
  onError(error: unknown): void
}

/** The subscription of this node to one owner. */
interface Subscription<Metadata> {
  sequencer: Sequencer<Envelope<Metadata>>
  subscriberCount: number
  /** Resolves when messages are received and the positions are known; undefined otherwise. */
  opening: Promise<void> | undefined
}

/** Owners per query for positions. */
const POSITIONS_BATCH_SIZE = 500
/** How long a reply waits for the changes before it. */
const SETTLE_TIMEOUT_MS = 2_000
/**
 * How often stored positions are compared while the other nodes cannot be reached, as nothing else shows what was missed,
 * and after a comparison that failed.
 */
const COMPARE_INTERVAL_MS = 1_000

/**
 * Delivers the envelopes of numbered streams to all nodes, each once and in the order of its stream. A node that misses an
 * envelope reads it from storage, either when a later one arrives or after a possible loss. A single node needs no ordering: it
 * delivers directly, without this class.
 */
export class OrderedDelivery<Metadata extends StreamPosition> {
  readonly #options: OrderedDeliveryOptions<Metadata>
  readonly #nodes: Nodes
  readonly #clock: Clock
  readonly #subscriptions = new Map<string, Subscription<Metadata>>()
  readonly #stopComparing: () => void
  /** The owners of the next query for positions. */
  #nextQuery: { owners: string[]; result: Promise<Map<string, Positions>> } | undefined
  #isComparing = false
  #mustCompareAgain = false
  /** Whether the latest comparison could not read the positions of some owners. */
  #hasFailed = false
  #catchUps = 0

  constructor(options: OrderedDeliveryOptions<Metadata>, nodes: Nodes, clock: Clock) {
    this.#options = options
    this.#nodes = nodes
    this.#clock = clock
    nodes.onPossibleLoss(() => void this.#compareAll())
    this.#stopComparing = nodes.backplane.isSingleNode
      ? () => {}
      : clock.every(COMPARE_INTERVAL_MS, () => {
          if (this.#hasFailed || !nodes.backplane.isConnected) void this.#compareAll()
        })
  }

  /** Stops the timer. */
  stop(): void {
    this.#stopComparing()
  }

  /** How often missing envelopes were read from storage. */
  get catchUps(): number {
    return this.#catchUps
  }

  /** Adds a subscriber of an owner. It misses nothing after the promise resolves; undefined if it is subscribed already. */
  subscribe(owner: string): Promise<void> | undefined {
    const subscription = this.#subscriptions.get(owner) ?? this.#create(owner)
    subscription.subscriberCount++
    if (subscription.sequencer.isStarted) return undefined
    subscription.opening ??= this.#open(owner, subscription).finally(() => {
      subscription.opening = undefined
    })
    return subscription.opening
  }

  unsubscribe(owner: string): void {
    const subscription = this.#subscriptions.get(owner)
    if (!subscription || --subscription.subscriberCount > 0) return
    subscription.sequencer.stop()
    this.#subscriptions.delete(owner)
    this.#nodes.backplane.unsubscribe(this.#routeOf(owner))
  }

  /**
   * Sends an envelope to some owners on all nodes.
   * @param deliver called once with all owners for whom the envelope is the next one on this node.
   */
  send(
    owners: readonly string[],
    envelope: Envelope<Metadata>,
    deliver: (owners: ReadonlySet<string>) => void,
  ): void {
    const accepted = new Set(owners.filter((owner) => this.#accept(owner, envelope)))
    if (accepted.size) deliver(accepted)
    const message = encodeEnvelope(envelope)
    for (const owner of owners) this.#nodes.backplane.publish(this.#routeOf(owner), message)
    for (const owner of accepted) this.#subscriptions.get(owner)?.sequencer.release(envelope.metadata.stream)
  }

  /** Resolves when no envelope of a stream is missing, or after a timeout; undefined if none is missing now. */
  settled(owner: string, stream: string): Promise<void> | undefined {
    const sequencer = this.#subscriptions.get(owner)?.sequencer
    let settle = () => {}
    if (!sequencer?.onceInOrder(stream, () => settle())) return undefined
    return new Promise((resolve) => {
      const cancel = this.#clock.after(SETTLE_TIMEOUT_MS, resolve)
      settle = () => {
        cancel()
        resolve()
      }
    })
  }

  /** Stops following a stream of an owner. */
  forget(owner: string, stream: string): void {
    this.#subscriptions.get(owner)?.sequencer.forget(stream)
  }

  #create(owner: string): Subscription<Metadata> {
    const sequencer: Subscription<Metadata>['sequencer'] = new Sequencer({
      clock: this.#clock,
      deliver: (envelope) => this.#options.deliver(owner, envelope),
      catchUp: (stream, after) => {
        this.#catchUps++
        return this.#options.catchUp(owner, stream, after)
      },
      onError: (error) => this.#options.onError(error),
    })
    const subscription = { sequencer, subscriberCount: 0, opening: undefined }
    this.#subscriptions.set(owner, subscription)
    return subscription
  }

  /** Whether to deliver the envelope now. */
  #accept(owner: string, envelope: Envelope<Metadata>): boolean {
    const { stream, seq, isUnordered } = envelope.metadata
    const sequencer = this.#subscriptions.get(owner)?.sequencer
    if (!sequencer) return false
    if (!isUnordered) return sequencer.accept(stream, seq, envelope)
    sequencer.follow(stream, seq)
    return true
  }

  /** Subscribes before it reads the positions, so that envelopes sent in between arrive early instead of being lost. */
  async #open(owner: string, { sequencer }: Subscription<Metadata>): Promise<void> {
    await this.#nodes.backplane.subscribe(this.#routeOf(owner), (message) => {
      const envelope = decodeEnvelope<Metadata>(message)
      if (!this.#accept(owner, envelope)) return
      this.#options.deliver(owner, envelope)
      sequencer.release(envelope.metadata.stream)
    })
    try {
      sequencer.start(await this.#positionsOf(owner))
    } catch (error) {
      sequencer.reset()
      throw error
    }
  }

  /** Batches the owners of one tick into one query: after a restart, all clients reconnect at the same time. */
  async #positionsOf(owner: string): Promise<Positions> {
    if (this.#nextQuery && this.#nextQuery.owners.length < POSITIONS_BATCH_SIZE) {
      this.#nextQuery.owners.push(owner)
    } else {
      const owners = [owner]
      this.#nextQuery = { owners, result: this.#query(owners) }
    }
    return (await this.#nextQuery.result).get(owner) ?? []
  }

  async #query(owners: string[]): Promise<Map<string, Positions>> {
    await setImmediate()
    if (this.#nextQuery?.owners === owners) this.#nextQuery = undefined
    return this.#options.positions(owners)
  }

  /** Compares the delivered positions with the stored ones, and reads what is missing. */
  async #compareAll(): Promise<void> {
    this.#mustCompareAgain = true
    if (this.#isComparing) return
    this.#isComparing = true
    while (this.#mustCompareAgain) {
      this.#mustCompareAgain = false
      this.#hasFailed = false
      const owners = [...this.#subscriptions.keys()]
      for (let next = 0; next < owners.length; next += POSITIONS_BATCH_SIZE) {
        await this.#compare(owners.slice(next, next + POSITIONS_BATCH_SIZE))
      }
    }
    this.#isComparing = false
  }

  async #compare(owners: readonly string[]): Promise<void> {
    let storedPositions: Map<string, Positions>
    try {
      storedPositions = await this.#options.positions(owners)
    } catch (error) {
      this.#options.onError(error)
      this.#hasFailed = true
      return
    }
    for (const owner of owners) {
      const sequencer = this.#subscriptions.get(owner)?.sequencer
      if (!sequencer?.isStarted) continue
      const stored = new Map(storedPositions.get(owner))
      for (const [stream, position] of stored) {
        const delivered = sequencer.positions.get(stream)
        if (delivered === undefined || delivered < position) sequencer.check(stream, position)
      }
      for (const stream of sequencer.positions.keys()) if (!stored.has(stream)) sequencer.check(stream)
    }
  }

  #routeOf(owner: string): string {
    return `${this.#options.name}:${owner}`
  }
}
