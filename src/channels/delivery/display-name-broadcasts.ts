import { AppError } from '../../errors.ts'
import type { Endpoint } from '../../realtime/socket/endpoint.ts'
import type { Services } from '../../services.ts'
import { SYSTEM_TOPIC } from '../../topics.ts'

/** The inter-node message about a broadcast name. */
interface RenamedMessage {
  userId: string
  displayName: string
}

/** A user whose name was broadcast within the last `INTERVAL_MS`. */
interface RecentBroadcast {
  /** The latest broadcast name that this node knows of. */
  sent: string
  /** The latest name that was set on this node and not broadcast yet. */
  pending: string | undefined
  /** Whether the stored name may differ from `sent`. */
  mayBeOutdated: boolean
  cancel: () => void
}

const INTERVAL_MS = 5_000
const RETRY_DELAY_MS = 1_000

/** Broadcasts display names on `system:general`: at most one every `INTERVAL_MS` for each user, and always the latest. */
export class DisplayNameBroadcasts {
  readonly #endpoint: Endpoint
  readonly #accounts: Pick<Services['accounts'], 'find'>
  readonly #recent = new Map<string, RecentBroadcast>()

  constructor(endpoint: Endpoint, { accounts, events }: Pick<Services, 'accounts' | 'events'>) {
    this.#endpoint = endpoint
    this.#accounts = accounts
    events.on('display_name_changed', ({ userId, displayName }) => this.#schedule(userId, displayName))
    endpoint.nodes.on<RenamedMessage>('renamed', (renamed) => this.#receive(renamed))
  }

  /** Broadcasts a stored name now, or at the end of the user's interval. */
  #schedule(userId: string, displayName: string): void {
    const recent = this.#recent.get(userId)
    if (!recent) return this.#broadcast(userId, displayName)
    recent.pending = displayName
    recent.mayBeOutdated = true
  }

  /** Broadcasts all pending names now. */
  stop(): void {
    for (const [userId, { pending, cancel }] of this.#recent) {
      cancel()
      if (pending !== undefined) this.#publish(userId, pending)
    }
    this.#recent.clear()
  }

  #broadcast(userId: string, displayName: string): void {
    this.#publish(userId, displayName)
    this.#endpoint.limits.charge(userId, this.#endpoint.pubsub.subscribers(SYSTEM_TOPIC).size)
    this.#endpoint.nodes.publish('renamed', { userId, displayName })
    this.#remember(userId, displayName)
  }

  #publish(userId: string, displayName: string): void {
    const payload = { user_id: userId, display_name: displayName }
    this.#endpoint.pubsub.broadcast(SYSTEM_TOPIC, 'update_display_name', payload)
  }

  #receive({ userId, displayName }: RenamedMessage): void {
    const recent = this.#recent.get(userId)
    if (!recent) return this.#remember(userId, displayName)
    // Two nodes broadcast at the same time. Clients may have received the two in different orders.
    recent.sent = displayName
    recent.mayBeOutdated = true
  }

  #remember(userId: string, sent: string): void {
    const cancel = this.#endpoint.clock.after(INTERVAL_MS, () => void this.#finish(userId))
    this.#recent.set(userId, { sent, pending: undefined, mayBeOutdated: false, cancel })
  }

  /** Ends an interval. Reads the stored name, as another node may have stored a later one. */
  async #finish(userId: string): Promise<void> {
    const recent = this.#recent.get(userId)
    while (recent?.mayBeOutdated) {
      recent.mayBeOutdated = false
      const stored = await this.#storedName(userId)
      if (this.#recent.get(userId) !== recent) return
      if (stored === undefined) {
        recent.mayBeOutdated = true
        recent.cancel = this.#endpoint.clock.after(RETRY_DELAY_MS, () => void this.#finish(userId))
        return
      }
      if (stored === recent.sent) {
        recent.pending = undefined
      } else {
        this.#broadcast(userId, stored)
        if (recent.mayBeOutdated) this.#schedule(userId, recent.pending ?? stored)
        return
      }
    }
    this.#recent.delete(userId)
  }

  /** The stored name; the latest broadcast name if the user is deleted; undefined if the database does not answer. */
  async #storedName(userId: string): Promise<string | undefined> {
    try {
      return (await this.#accounts.find(userId)).displayName
    } catch (error) {
      if (error instanceof AppError) return this.#recent.get(userId)?.sent
      return undefined
    }
  }
}
