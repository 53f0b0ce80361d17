import type { Membership } from '../domain/conversations.ts'
import type { Endpoint } from '../realtime/endpoint.ts'
import type { Services } from '../services.ts'
import { roomTopic } from '../views/rooms.ts'
import { conversationTopic } from './topics.ts'

const PERIOD_MS = 1_000
/** How many memberships one query asks for. */
const BATCH = 1_000

/**
 * Who leaves on another node is not heard of while the nodes cannot hear each other. So as long as that lasts, the database is
 * asked whether those who are in conversations and rooms still belong there.
 */
export class MembershipWatch {
  readonly #endpoint: Endpoint
  readonly #services: Pick<Services, 'conversations' | 'roomCatchUp'>
  readonly #stop: () => void
  #isAsking = false

  constructor(endpoint: Endpoint, services: Pick<Services, 'conversations' | 'roomCatchUp'>) {
    this.#endpoint = endpoint
    this.#services = services
    this.#stop = endpoint.nodes.backplane.isAlone
      ? () => {}
      : endpoint.clock.every(PERIOD_MS, () => void this.#look())
  }

  stop(): void {
    this.#stop()
  }

  async #look(): Promise<void> {
    if (this.#isAsking || this.#endpoint.nodes.backplane.isConnected) return
    this.#isAsking = true
    const { conversations, roomCatchUp } = this.#services
    try {
      await this.#putOut(conversationTopic(''), (asked) => conversations.strangers(asked))
      await this.#putOut(roomTopic(''), (asked) => roomCatchUp.strangers(asked))
    } catch {
      // Without the database nobody can say who belongs: it is asked again.
    }
    this.#isAsking = false
  }

  async #putOut(prefix: string, strangers: (asked: Membership[]) => Promise<Membership[]>): Promise<void> {
    const present = this.#present(prefix)
    for (let next = 0; next < present.length; next += BATCH) {
      for (const { placeId, userId } of await strangers(present.slice(next, next + BATCH))) {
        this.#endpoint.closeChannels(prefix + placeId, userId)
      }
    }
  }

  #present(prefix: string): Membership[] {
    const { pubsub } = this.#endpoint
    const present: Membership[] = []
    for (const topic of pubsub.topics()) {
      if (!topic.startsWith(prefix)) continue
      const placeId = topic.slice(prefix.length)
      const userIds = new Set([...pubsub.subscribers(topic)].map(({ userId }) => userId))
      for (const userId of userIds) present.push({ placeId, userId })
    }
    return present
  }
}
