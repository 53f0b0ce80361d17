import { AppError } from '../errors.ts'
import type { Endpoint } from '../realtime/endpoint.ts'
import type { Services } from '../services.ts'
import type { Visibility } from './visibility.ts'

interface HiddenChange {
  userId: string
  hidden: boolean
  /** When they asked for it, where that was told before. */
  askedAt?: number
}

/** Nodes that are cut off from each other for longer do not learn what was changed before. */
const MEMORY_MS = 86_400_000
const AGAIN_MS = 1_000

/** Hides and shows users on all nodes, those included that could not hear of it at the time. */
export class Hiding {
  readonly #endpoint: Endpoint
  readonly #accounts: Services['accounts']
  readonly #visibility: Visibility
  /** When users asked for it on this node, the earliest first; what they asked for is stored. */
  readonly #askedAt = new Map<string, number>()

  constructor(
    endpoint: Endpoint,
    { accounts, events }: Pick<Services, 'accounts' | 'events'>,
    visibility: Visibility,
  ) {
    const { nodes } = endpoint
    this.#endpoint = endpoint
    this.#accounts = accounts
    this.#visibility = visibility
    events.on('hidden_changed', (change) => {
      if (!nodes.backplane.isAlone) this.#remember(change.userId)
      this.#tell(change)
    })
    nodes.on<HiddenChange>('hidden', (change) => {
      this.#askedAt.delete(change.userId)
      this.#apply(change)
    })
    nodes.onDoubt(() => void this.#tellAgain())
  }

  #apply({ userId, hidden, askedAt }: HiddenChange): void {
    if (askedAt === undefined) this.#visibility.setHidden(userId, hidden)
    else this.#visibility.setHiddenSince(askedAt, userId, hidden)
  }

  #tell(change: HiddenChange): void {
    this.#apply(change)
    this.#endpoint.nodes.tell('hidden', change)
  }

  #remember(userId: string): void {
    const now = this.#endpoint.clock.now()
    this.#askedAt.delete(userId)
    this.#askedAt.set(userId, now)
    for (const [earliest, at] of this.#askedAt) {
      if (now - at < MEMORY_MS) break
      this.#askedAt.delete(earliest)
    }
  }

  async #tellAgain(): Promise<void> {
    for (const [userId, askedAt] of [...this.#askedAt]) {
      try {
        const { hidden } = await this.#accounts.find(userId)
        // Whoever asked for something else meanwhile, here or on another node, has been told of.
        if (this.#askedAt.get(userId) === askedAt) this.#tell({ userId, hidden, askedAt })
      } catch (error) {
        if (!(error instanceof AppError)) {
          return void this.#endpoint.clock.after(AGAIN_MS, () => void this.#tellAgain())
        }
        this.#askedAt.delete(userId)
      }
    }
  }
}
