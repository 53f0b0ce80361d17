import type { DomainEvents, EventBus } from '../../domain/shared/events.ts'
import type { Endpoint } from '../../realtime/socket/endpoint.ts'
import { userTopic } from '../../topics.ts'
import { keysChangedView } from '../../views/account-keys.ts'

/** A change of keys, and the users who are still to be notified. */
interface Announcement {
  payload: ReturnType<typeof keysChangedView>
  userIds: string[]
}

/** Broadcasts in one turn of the event loop: a user may have very many contacts. */
const CHUNK_SIZE = 500

/** Broadcasts changes of key sets to the user and to everyone who shares a conversation with them. */
export class AccountKeyBroadcasts {
  readonly #endpoint: Endpoint
  readonly #queue: Announcement[] = []
  #next: NodeJS.Immediate | undefined

  constructor(endpoint: Endpoint, events: EventBus) {
    this.#endpoint = endpoint
    events.on('account_keys_changed', (change) => this.#announce(change))
  }

  /** Broadcasts everything that is left. */
  stop(): void {
    clearImmediate(this.#next)
    while (this.#queue.length > 0) this.#broadcastChunk()
  }

  #announce({ contactIds, ...change }: DomainEvents['account_keys_changed']): void {
    // The user's own devices are notified before the reply to the change, and with them the first contacts.
    const userIds = [...contactIds.toReversed(), change.userId]
    this.#queue.push({ payload: keysChangedView(change), userIds })
    if (this.#next === undefined) this.#run()
  }

  #run(): void {
    this.#broadcastChunk()
    this.#next = this.#queue.length > 0 ? setImmediate(() => this.#run()) : undefined
  }

  #broadcastChunk(): void {
    const [first] = this.#queue
    if (!first) return
    for (const userId of first.userIds.splice(-CHUNK_SIZE).toReversed()) {
      this.#endpoint.pubsub.broadcast(userTopic(userId), 'keys_changed', first.payload)
    }
    if (first.userIds.length === 0) this.#queue.shift()
  }
}
