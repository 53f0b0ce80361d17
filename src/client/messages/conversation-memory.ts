import type { MessageSource } from '../conversations/codec.ts'
import {
  appendToChain,
  type ChainVerdict,
  type DeviceChain,
  prependToChain,
  startChain,
} from '../encryption/device-chain.ts'
import { compareRevision, type KnownRevision, type RevisionVerdict } from '../encryption/revision.ts'
import type { Store } from '../stores/store.ts'

const PREFIX = 'memory/'
/** Messages that are recognised when they come again. */
const MAX_REVISIONS = 2_000
const MAX_HEADS = 200
const SAVE_DELAY_MS = 200

/** What is stored about a conversation. */
interface StoredMemory {
  chains: Record<string, DeviceChain>
  revisions: Record<string, KnownRevision>
  heads: string[]
  skipped?: string[]
}

/** What this device remembers of the messages of a conversation, to notice what a server leaves out, repeats or takes back. */
export class ConversationMemory {
  readonly #store: Store
  readonly #key: string
  readonly #chains: Map<string, DeviceChain>
  readonly #revisions: Map<string, KnownRevision>
  /** The id of each known message, by its message group. */
  readonly #ids: Map<string, string>
  readonly #heads: Set<string>
  /** The devices of which messages may be unread after those that are known. */
  #skipped: Set<string>
  /** The lowest counter of each device, by its sender and id, among the messages that were read since the start. */
  readonly #firsts = new Map<string, number>()
  /** Senders of messages whose counters could not be read. */
  readonly #uncounted = new Set<string>()
  #timer: ReturnType<typeof setTimeout> | undefined

  private constructor(store: Store, key: string, { chains, revisions, heads, skipped = [] }: StoredMemory) {
    this.#store = store
    this.#key = key
    this.#chains = new Map(Object.entries(chains))
    this.#revisions = new Map(Object.entries(revisions))
    this.#ids = new Map(Object.values(revisions).map(({ group, id }) => [group, id]))
    this.#heads = new Set(heads)
    this.#skipped = new Set(skipped)
  }

  /** Reads what is stored about a conversation. */
  static async load(store: Store, conversationId: string): Promise<ConversationMemory> {
    const key = PREFIX + conversationId
    const stored = await store.get(key)
    // Only this class stores it.
    const memory = (stored ?? { chains: {}, revisions: {}, heads: [] }) as StoredMemory
    return new ConversationMemory(store, key, memory)
  }

  /** Hashes of lists of members and their keys that were current at some time. */
  get heads(): ReadonlySet<string> {
    return this.#heads
  }

  /** Adds such a hash. */
  addHeads(hash: string): void {
    if (this.#heads.has(hash)) return
    this.#heads.add(hash)
    const [oldest] = this.#heads
    if (this.#heads.size > MAX_HEADS && oldest !== undefined) this.#heads.delete(oldest)
    this.#save()
  }

  /** Compares a message with what is known of it; undefined if nothing is. Remembers it if it is new or newer. */
  compare(next: KnownRevision): RevisionVerdict | undefined {
    const device = deviceOf(next)
    this.#firsts.set(device, Math.min(next.counter, this.#firsts.get(device) ?? next.counter))
    const known = this.#revisions.get(next.id)
    const isElsewhere = (this.#ids.get(next.group) ?? next.id) !== next.id
    if (isElsewhere) return known ? 'wrong_group' : 'not_an_edit'
    const verdict = known && compareRevision(known, next)
    if (verdict === undefined || verdict === 'newer') this.#remember(next)
    return verdict
  }

  /** Notes that there is a message of a sender whose counter cannot be read. */
  noteUncounted(sender: string): void {
    this.#uncounted.add(sender)
  }

  /** For each device, how many of its messages precede all that were read; only once, and only devices that have such. */
  missingAtStart(): number[] {
    const late = [...this.#firsts].filter(
      ([device, first]) => first > 1 && !this.#uncounted.has(device.split(' ')[0]!),
    )
    for (const [device] of late) this.#firsts.set(device, 1)
    return late.map(([, first]) => first - 1)
  }

  /** Notes that the messages after those that are known are not all read: the next one of each device may follow at any place. */
  skip(): void {
    this.#skipped = new Set(this.#chains.keys())
    this.#save()
  }

  /** Adds a message that is not known to the chain of its device, and says whether its place is right. */
  place(next: KnownRevision, source: MessageSource): ChainVerdict {
    const key = deviceOf(next)
    const chain = this.#chains.get(key)
    const isSkipped = this.#skipped.delete(key) && chain && next.counter > chain.last.counter + 1
    if (!chain || isSkipped) {
      this.#chains.set(key, startChain(next))
      return { status: 'ok' }
    }
    const { chain: extended, verdict } = (source === 'older' ? prependToChain : appendToChain)(chain, next)
    this.#chains.set(key, extended)
    // What was read long ago is no longer known by its id, and its place is taken by itself.
    const isReadAgain = source === 'older' && verdict.status === 'repeated'
    return isReadAgain ? { status: 'ok' } : verdict
  }

  /** Stores what is not stored yet. */
  async flush(): Promise<void> {
    if (this.#timer === undefined) return
    clearTimeout(this.#timer)
    this.#timer = undefined
    const memory: StoredMemory = {
      chains: Object.fromEntries(this.#chains),
      revisions: Object.fromEntries(this.#revisions),
      heads: [...this.#heads],
      skipped: [...this.#skipped],
    }
    await this.#store.update(this.#key, () => memory)
  }

  #remember(revision: KnownRevision): void {
    this.#revisions.delete(revision.id)
    this.#revisions.set(revision.id, revision)
    this.#ids.set(revision.group, revision.id)
    const [oldest] = this.#revisions.values()
    if (this.#revisions.size > MAX_REVISIONS && oldest) {
      this.#revisions.delete(oldest.id)
      this.#ids.delete(oldest.group)
    }
    this.#save()
  }

  /** Stores the changes of some time together: each is small, and there are many after a long absence. */
  #save(): void {
    this.#timer ??= setTimeout(() => void this.flush().catch(() => {}), SAVE_DELAY_MS)
  }
}

/** A device signs with one account's keys: its id alone could be another sender's. */
function deviceOf({ sender, device }: KnownRevision): string {
  return `${sender} ${device}`
}
