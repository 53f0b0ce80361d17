import { setImmediate } from 'node:timers/promises'
import type { Clock } from '../clock.ts'
import type { Nodes } from './nodes.ts'
import { type Parcel, packParcel, unpackParcel } from './parcel.ts'
import { type Reading, Sequencer } from './sequencer.ts'

/** The place of a parcel: the stream it is of, and its number there. */
export interface Place {
  stream: string
  seq: number
  /** Whether the parcel has no turn to wait for. A stream that is new to the owner is at `seq` then. */
  isUnordered?: boolean | undefined
}

/** Where the streams of a family of feeds stand. */
export type Positions = [stream: string, position: number][]

/** What a family of feeds is made of. An owner is whom, or what, a feed is for; it may have many streams. */
export interface FeedFamily<Label extends Place> {
  /** Tells families apart. */
  name: string
  /** Where the streams of some owners stand, as they are stored. */
  positions(owners: readonly string[]): Promise<Map<string, Positions>>
  /** Brings a parcel in its turn to those on this node. */
  deliver(owner: string, parcel: Parcel<Label>): void
  /** See `SequencerTools`. */
  catchUp(owner: string, stream: string, after: number | undefined): Promise<Reading>
  /** Hears why something could not be read, which is tried again. */
  failed(error: unknown): void
}

/** The feed of one owner on this node. */
interface Feed<Label> {
  sequencer: Sequencer<Parcel<Label>>
  /** How many here want it. */
  listeners: number
  /** Settles when the feed is heard and its positions are known; undefined otherwise. */
  opening: Promise<void> | undefined
}

/** How many owners' positions one query asks for. */
const BATCH = 500
/** How long an answer waits for what goes before it. */
const SETTLE_MS = 2_000
/** After a failed comparison, the next is not sooner. */
const AGAIN_MS = 1_000

/**
 * Brings numbered parcels to all nodes, each once and in the order of its stream: what a node has not heard of by the time of
 * a later one, or after an outage, it reads from where it is stored. A node alone has nothing to put in order: it need
 * not attach, nor send.
 */
export class Feeds<Label extends Place> {
  readonly #family: FeedFamily<Label>
  readonly #nodes: Nodes
  readonly #clock: Clock
  readonly #feeds = new Map<string, Feed<Label>>()
  /** Owners whose positions are asked for with the next query. */
  #asking: { owners: string[]; answer: Promise<Map<string, Positions>> } | undefined
  #isComparing = false
  #isDoubtful = false
  #catchUps = 0

  constructor(family: FeedFamily<Label>, nodes: Nodes, clock: Clock) {
    this.#family = family
    this.#nodes = nodes
    this.#clock = clock
    nodes.onDoubt(() => void this.#compareAll())
  }

  /** How often something that was missing was read. */
  get catchUps(): number {
    return this.#catchUps
  }

  /** One more here wants an owner's feed. Nothing is lost from when the promise resolves; undefined: from now. */
  attach(owner: string): Promise<void> | undefined {
    const feed = this.#feeds.get(owner) ?? this.#make(owner)
    feed.listeners++
    if (feed.sequencer.isStarted) return undefined
    feed.opening ??= this.#open(owner, feed).finally(() => {
      feed.opening = undefined
    })
    return feed.opening
  }

  detach(owner: string): void {
    const feed = this.#feeds.get(owner)
    if (!feed || --feed.listeners > 0) return
    feed.sequencer.stop()
    this.#feeds.delete(owner)
    this.#nodes.backplane.unsubscribe(this.#routeOf(owner))
  }

  /**
   * Sends a parcel to the feeds of some owners, on all nodes. `deliver` is given those whose turn it is on this node, so that
   * what goes to many is brought to them at once.
   */
  send(
    owners: readonly string[],
    parcel: Parcel<Label>,
    deliver: (inTurn: ReadonlySet<string>) => void,
  ): void {
    const inTurn = new Set(owners.filter((owner) => this.#accept(owner, parcel)))
    if (inTurn.size) deliver(inTurn)
    const message = packParcel(parcel)
    for (const owner of owners) this.#nodes.backplane.publish(this.#routeOf(owner), message)
    for (const owner of inTurn) this.#feeds.get(owner)?.sequencer.release(parcel.label.stream)
  }

  /** Resolves when what came to a feed is delivered, or after a while; undefined: it is. */
  settled(owner: string, stream: string): Promise<void> | undefined {
    const sequencer = this.#feeds.get(owner)?.sequencer
    let settle = () => {}
    if (!sequencer?.whenInOrder(stream, () => settle())) return undefined
    return new Promise((resolve) => {
      const cancel = this.#clock.after(SETTLE_MS, resolve)
      settle = () => {
        cancel()
        resolve()
      }
    })
  }

  /** Follows a stream of an owner no more. */
  forget(owner: string, stream: string): void {
    this.#feeds.get(owner)?.sequencer.forget(stream)
  }

  #make(owner: string): Feed<Label> {
    const sequencer: Feed<Label>['sequencer'] = new Sequencer({
      clock: this.#clock,
      deliver: (parcel) => this.#family.deliver(owner, parcel),
      catchUp: (stream, after) => {
        this.#catchUps++
        return this.#family.catchUp(owner, stream, after)
      },
      failed: (error) => this.#family.failed(error),
    })
    const feed = { sequencer, listeners: 0, opening: undefined }
    this.#feeds.set(owner, feed)
    return feed
  }

  /** Whether it is to be delivered now. */
  #accept(owner: string, parcel: Parcel<Label>): boolean {
    const { stream, seq, isUnordered } = parcel.label
    const sequencer = this.#feeds.get(owner)?.sequencer
    if (!sequencer) return false
    if (!isUnordered) return sequencer.accept(stream, seq, parcel)
    sequencer.follow(stream, seq)
    return true
  }

  /** Heard first, then asked for: what is sent in between is early, not lost. */
  async #open(owner: string, { sequencer }: Feed<Label>): Promise<void> {
    await this.#nodes.backplane.subscribe(this.#routeOf(owner), (message) => {
      const parcel = unpackParcel<Label>(message)
      if (!this.#accept(owner, parcel)) return
      this.#family.deliver(owner, parcel)
      sequencer.release(parcel.label.stream)
    })
    try {
      sequencer.start(await this.#positionsOf(owner))
    } catch (error) {
      sequencer.reset()
      throw error
    }
  }

  /** Those who come in the same moment are asked for together: after a restart, that is everybody. */
  async #positionsOf(owner: string): Promise<Positions> {
    if (this.#asking && this.#asking.owners.length < BATCH) {
      this.#asking.owners.push(owner)
    } else {
      const owners = [owner]
      this.#asking = { owners, answer: this.#ask(owners) }
    }
    return (await this.#asking.answer).get(owner) ?? []
  }

  async #ask(owners: string[]): Promise<Map<string, Positions>> {
    await setImmediate()
    if (this.#asking?.owners === owners) this.#asking = undefined
    return this.#family.positions(owners)
  }

  /** Compares what was delivered here with what is stored, and reads what is missing. */
  async #compareAll(): Promise<void> {
    this.#isDoubtful = true
    if (this.#isComparing) return
    this.#isComparing = true
    while (this.#isDoubtful) {
      this.#isDoubtful = false
      const owners = [...this.#feeds.keys()]
      for (let next = 0; next < owners.length; next += BATCH) {
        await this.#compare(owners.slice(next, next + BATCH))
      }
    }
    this.#isComparing = false
  }

  async #compare(owners: readonly string[]): Promise<void> {
    let stored: Map<string, Positions>
    try {
      stored = await this.#family.positions(owners)
    } catch (error) {
      this.#family.failed(error)
      return void this.#clock.after(AGAIN_MS, () => void this.#compareAll())
    }
    for (const owner of owners) {
      const sequencer = this.#feeds.get(owner)?.sequencer
      if (!sequencer?.isStarted) continue
      const now = new Map(stored.get(owner))
      for (const [stream, position] of now) {
        const delivered = sequencer.positions.get(stream)
        if (delivered === undefined || delivered < position) sequencer.check(stream, position)
      }
      for (const stream of sequencer.positions.keys()) if (!now.has(stream)) sequencer.check(stream)
    }
  }

  #routeOf(owner: string): string {
    return `${this.#family.name}:${owner}`
  }
}
