import type { Clock } from '../clock.ts'
import type { Database } from '../db/database.ts'
import { listRevocations, type Revocation } from '../db/queries/sessions.ts'
import { ACCESS_TOKEN_MS } from './access-tokens.ts'
import type { EventBus } from './events.ts'
import { type Log, Outage } from './outage.ts'

/** How often other nodes' revocations are looked for. */
const POLL_MS = 500

/** How much earlier a revocation may be dated than it is seen: a slow transaction, another node's clock. */
const LATE_MS = 60_000

/** A revocation is remembered while an access token of the session can be alive. */
const MEMORY_MS = ACCESS_TOKEN_MS + LATE_MS

const PRUNE_MS = 60_000

/** The sessions that were ended lately, in memory, so that every push can ask. */
export class Revocations {
  readonly #db: Database
  readonly #clock: Clock
  readonly #events: EventBus
  readonly #outage: Outage
  readonly #revokedAt = new Map<string, number>()
  #seenUntil = 0
  #timers: (() => void)[] = []
  #poll: Promise<void> | undefined

  constructor({ db, clock, events, log }: { db: Database; clock: Clock; events: EventBus; log: Log }) {
    this.#db = db
    this.#clock = clock
    this.#events = events
    this.#outage = new Outage(log, 'Looking for sessions that other nodes revoked')
  }

  has(sessionId: string): boolean {
    return this.#revokedAt.has(sessionId)
  }

  /** Remembers and announces sessions that are revoked for good: call it after the commit. */
  announce(revocations: Revocation[]): void {
    this.#remember(revocations, true)
  }

  #remember(revocations: Revocation[], isHere: boolean): void {
    const fresh = revocations.filter(({ id }) => !this.#revokedAt.has(id))
    for (const { id, revokedAt } of fresh) this.#revokedAt.set(id, revokedAt.getTime())
    if (fresh.length) this.#events.emit('sessions_revoked', { sessionIds: fresh.map(({ id }) => id), isHere })
  }

  /** Loads what was revoked before this process lived, then keeps up with other processes on the database. */
  async start(): Promise<void> {
    await this.#load(this.#clock.now() - MEMORY_MS)
    this.#timers = [this.#clock.every(PRUNE_MS, () => this.#prune())]
    // The embedded database has no other process.
    if (this.#db.kind === 'postgres') this.#timers.push(this.#clock.every(POLL_MS, () => this.poll()))
  }

  /** Resolves when no query is on its way any more. */
  async stop(): Promise<void> {
    for (const cancel of this.#timers.splice(0)) cancel()
    await this.#poll
  }

  /** Looks for what other nodes revoked. They may say that there is something; it is looked for all the same. */
  poll(): void {
    this.#poll ??= this.#keepUp().finally(() => {
      this.#poll = undefined
    })
  }

  async #keepUp(): Promise<void> {
    try {
      await this.#load(this.#seenUntil - LATE_MS)
      this.#outage.end()
    } catch (error) {
      this.#outage.begin(error)
    }
  }

  async #load(since: number): Promise<void> {
    const now = this.#clock.now()
    this.#remember(await listRevocations(this.#db.orm, new Date(since)), false)
    this.#seenUntil = now
  }

  #prune(): void {
    const horizon = this.#clock.now() - MEMORY_MS
    for (const [id, revokedAt] of this.#revokedAt) if (revokedAt < horizon) this.#revokedAt.delete(id)
  }
}
