import { AppError } from '../../errors.ts'
import type { Channel } from '../../realtime/socket/channel.ts'
import type { Endpoint } from '../../realtime/socket/endpoint.ts'
import { SocketChannel } from '../../realtime/socket/socket-channel.ts'
import type { Services } from '../../services.ts'
import { SYSTEM_TOPIC } from '../../topics.ts'

interface HiddenChange {
  userId: string
  hidden: boolean
  /** When the setting was changed, if this is a repetition. The name of the field is that of earlier versions. */
  askedAt?: number
}

/** How long changes are repeated after a possible loss: nodes that are disconnected for longer miss those before. */
const CHANGE_RETENTION_MS = 86_400_000
const RETRY_DELAY_MS = 1_000

/**
 * Online presence on `system:general`, without hidden users. Applies changes of the `hidden` setting on all nodes, also on
 * those that were disconnected at the time.
 *
 * Reading `hidden` again from the database is not enough: a socket that joined with `hidden` in its payload keeps that value
 * until the setting changes, so a node must know whether the setting changed after the socket joined.
 */
export class HiddenUsers {
  readonly #endpoint: Endpoint
  readonly #accounts: Services['accounts']
  /** Changes of the setting while a channel was joining: newer than what the join has read. */
  readonly #changed = new WeakMap<Channel, boolean>()
  /** When channels joined: other nodes may publish an earlier change late. */
  readonly #joinedAt = new WeakMap<Channel, number>()
  /** When users changed the setting on this node, the earliest first. The setting itself is stored. */
  readonly #changedAt = new Map<string, number>()

  constructor(endpoint: Endpoint, { accounts, events }: Pick<Services, 'accounts' | 'events'>) {
    const { nodes } = endpoint
    this.#endpoint = endpoint
    this.#accounts = accounts
    events.on('hidden_changed', (change) => {
      if (!nodes.backplane.isSingleNode) this.#remember(change.userId)
      this.#publish(change)
    })
    nodes.on<HiddenChange>('hidden', (change) => {
      this.#changedAt.delete(change.userId)
      this.#apply(change)
    })
    nodes.onPossibleLoss(() => void this.#publishAgain())
  }

  /** Tracks a channel that has joined, unless it is hidden, and sends it the presence state. */
  joined(channel: Channel, hidden: boolean): void {
    const { clock, nodes } = this.#endpoint
    if (!nodes.backplane.isSingleNode) this.#joinedAt.set(channel, clock.now())
    if (!(this.#changed.get(channel) ?? hidden)) this.#track(channel)
    this.#endpoint.presence.pushState(channel)
  }

  #publish(change: HiddenChange): void {
    this.#apply(change)
    this.#endpoint.nodes.publish('hidden', change)
  }

  /** Hides or shows the user's channels on this node; a repeated change only those that had joined when it was made. */
  #apply({ userId, hidden, askedAt }: HiddenChange): void {
    for (const channel of this.#endpoint.pubsub.subscribers(SYSTEM_TOPIC)) {
      if (!(channel instanceof SocketChannel) || channel.userId !== userId) continue
      if (askedAt !== undefined) {
        const joinedAt = this.#joinedAt.get(channel) ?? Number.POSITIVE_INFINITY
        if (joinedAt <= askedAt) this.#setHidden(channel, hidden)
      } else if (channel.isJoined) this.#setHidden(channel, hidden)
      else this.#changed.set(channel, hidden)
    }
  }

  #setHidden(channel: Channel, hidden: boolean): void {
    if (hidden) this.#endpoint.presence.untrack(channel)
    else this.#track(channel)
  }

  #track(channel: Channel): void {
    const seconds = Math.floor(this.#endpoint.clock.now() / 1000)
    this.#endpoint.presence.track(channel, channel.userId, { online_at: String(seconds) })
  }

  #remember(userId: string): void {
    const now = this.#endpoint.clock.now()
    this.#changedAt.delete(userId)
    this.#changedAt.set(userId, now)
    for (const [earliest, at] of this.#changedAt) {
      if (now - at < CHANGE_RETENTION_MS) break
      this.#changedAt.delete(earliest)
    }
  }

  async #publishAgain(): Promise<void> {
    for (const [userId, askedAt] of [...this.#changedAt]) {
      try {
        const { hidden } = await this.#accounts.find(userId)
        // A later change, here or on another node, has been published itself.
        if (this.#changedAt.get(userId) === askedAt) this.#publish({ userId, hidden, askedAt })
      } catch (error) {
        if (!(error instanceof AppError)) {
          return void this.#endpoint.clock.after(RETRY_DELAY_MS, () => void this.#publishAgain())
        }
        this.#changedAt.delete(userId)
      }
    }
  }
}
