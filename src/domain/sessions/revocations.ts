import type { Clock } from '../../clock.ts'
import type { Database } from '../../db/database.ts'
import { listRevocations, type Revocation } from '../../db/queries/sessions/sessions.ts'
import type { EventBus } from '../shared/events.ts'
import { FailureReporter, type Log } from '../shared/failure-reporter.ts'
import { ACCESS_TOKEN_LIFETIME_MS } from './access-tokens.ts'

/** How often revocations of other nodes are read from the database. */
const POLL_INTERVAL_MS = 500

/** How old a revocation may be when it becomes visible, because of a slow transaction or another node's clock. */
const MAX_COMMIT_LATENCY_MS = 60_000

/** A revocation is kept while an access token of the session may be valid. */
const RETENTION_MS = ACCESS_TOKEN_LIFETIME_MS + MAX_COMMIT_LATENCY_MS

const PRUNE_INTERVAL_MS = 60_000

/** Recently revoked sessions, in memory, so that every request and push can check them. */
export class Revocations {
  readonly #db: Database
  readonly #clock: Clock
  readonly #events: EventBus
  readonly #failures: FailureReporter
  readonly #revokedAt = new Map<string, number>()
  #seenUntil = 0
  #timers: (() => void)[] = []
  #poll: Promise<void> | undefined

  constructor({ db, clock, events, log }: { db: Database; clock: Clock; events: EventBus; log: Log }) {
    this.#db = db
    this.#clock = clock
    this.#events = events
    this.#failures = new FailureReporter(log, 'Reading the sessions that other nodes revoked')
  }

  has(sessionId: string): boolean {
    return this.#revokedAt.has(sessionId)
  }

  /** Records committed revocations, and emits `sessions_revoked`. */
  announce(revocations: Revocation[], { isSignOut = false } = {}): void {
    this.#record(revocations, { isHere: true, isSignOut })
  }

  #record(revocations: Revocation[], cause: { isHere: boolean; isSignOut: boolean }): void {
    const fresh = revocations.filter(({ id }) => !this.#revokedAt.has(id))
    for (const { id, revokedAt } of fresh) this.#revokedAt.set(id, revokedAt.getTime())
    const sessionIds = fresh.map(({ id }) => id)
    if (fresh.length) this.#events.emit('sessions_revoked', { sessionIds, ...cause })
  }

  /** Loads earlier revocations, then polls for those of other processes on the database. */
  async start(): Promise<void> {
    await this.#load(this.#clock.now() - RETENTION_MS)
    this.#timers = [this.#clock.every(PRUNE_INTERVAL_MS, () => this.#prune())]
    // The embedded database has a single process.
    if (this.#db.kind === 'postgres')
      this.#timers.push(this.#clock.every(POLL_INTERVAL_MS, () => this.poll()))
  }

  /** Resolves when no query is running. */
  async stop(): Promise<void> {
    for (const cancel of this.#timers.splice(0)) cancel()
    await this.#poll
  }

  /** Reads the revocations of other nodes now. */
  poll(): void {
    this.#poll ??= this.#loadRecent().finally(() => {
      this.#poll = undefined
    })
  }

  async #loadRecent(): Promise<void> {
    try {
      await this.#load(this.#seenUntil - MAX_COMMIT_LATENCY_MS)
      this.#failures.reportRecovery()
    } catch (error) {
      this.#failures.reportFailure(error)
    }
  }

  async #load(since: number): Promise<void> {
    const now = this.#clock.now()
    const revocations = await listRevocations(this.#db.orm, new Date(since))
    this.#record(revocations, { isHere: false, isSignOut: false })
    this.#seenUntil = now
  }

  #prune(): void {
    const horizon = this.#clock.now() - RETENTION_MS
    for (const [id, revokedAt] of this.#revokedAt) if (revokedAt < horizon) this.#revokedAt.delete(id)
  }
}
