import { timeOf } from '../conversations/wire-events.ts'
import {
  ConnectionError,
  KeysLockedError,
  type ParleyError,
  RejectedError,
  SignedOutError,
} from '../errors.ts'
import type { Store } from '../stores/store.ts'
import { retryDelay, sleep } from '../timing.ts'
import type { OutboxEntry, SentReply, StoredReply } from './entry.ts'

const PREFIX = 'outbox/'
/** Attempts of one change that fail for a reason nobody knows. */
const MAX_UNEXPLAINED_FAILURES = 5
/** Codes after which the same change may succeed later. */
const TEMPORARY = new Set(['rate_limited', 'busy', 'invalid_token', 'unmatched topic'])
/** Errors after which the change waits: for a connection, a session or the keys. */
const PAUSES = [ConnectionError, SignedOutError, KeysLockedError]
/** Codes that mean that the members have changed. */
const MEMBERS_CHANGED = new Set(['not_enough_recipients', 'too_many_recipients'])

/** Sends one change of a conversation. */
export interface Delivery {
  /** Resolves when the conversation can take changes. @throws RejectedError when it never can. */
  ready(): Promise<void>
  /** Signs a message. What it returns is stored before it is sent. */
  seal(entry: OutboxEntry): Promise<NonNullable<OutboxEntry['sealed']>>
  /** Pushes the sealed change. */
  deliver(entry: OutboxEntry): Promise<StoredReply>
  /** Reads the members again. */
  reload(): Promise<void>
}

interface Waiter {
  resolve: (reply: SentReply) => void
  reject: (error: unknown) => void
}

/**
 * The changes that the server has not confirmed yet. They are stored, and sent in their order, one at a time for each conversation:
 * also after a reconnect or the end of the process, by whichever tab is first, and never twice.
 */
export class Outbox {
  readonly #store: Store
  readonly #deliveryOf: (conversationId: string) => Delivery
  readonly #client = crypto.randomUUID()
  readonly #waiters = new Map<string, Waiter>()
  readonly #flushing = new Map<string, { again: boolean }>()
  #lastOrder: Promise<number> | undefined
  #closed: ParleyError | undefined

  constructor(store: Store, deliveryOf: (conversationId: string) => Delivery) {
    this.#store = store
    this.#deliveryOf = deliveryOf
  }

  /** Adds a change. Resolves when the server has stored it. @throws RejectedError when it never will. */
  async add(conversationId: string, entry: Omit<OutboxEntry, 'client'>): Promise<SentReply> {
    const key = await this.#nextKey(conversationId)
    if (this.#closed) throw this.#closed
    const stored = new Promise<SentReply>((resolve, reject) => this.#waiters.set(key, { resolve, reject }))
    try {
      await this.#store.update(key, () => ({ ...entry, client: this.#client }))
    } catch (error) {
      this.#waiters.delete(key)
      throw error
    }
    this.flush(conversationId)
    return stored
  }

  /** The changes of a conversation that wait, oldest first. */
  async pending(conversationId: string): Promise<OutboxEntry[]> {
    const entries = await this.#entries(conversationId)
    return entries.map(({ entry }) => entry).filter(({ outcome }) => !outcome)
  }

  /** Sends what earlier clients of this store have left behind. */
  async resume(): Promise<void> {
    const entries = await this.#store.list(PREFIX)
    for (const id of new Set(entries.map(({ key }) => key.split('/')[1]!))) this.flush(id)
  }

  /** Starts to send the changes of a conversation, unless that is under way. */
  flush(conversationId: string): void {
    const running = this.#flushing.get(conversationId)
    if (running) running.again = true
    else void this.#flushUntilDone(conversationId)
  }

  /** Stops sending. What waits stays stored. */
  close(error: ParleyError): void {
    this.#closed = error
    for (const { reject } of this.#waiters.values()) reject(error)
    this.#waiters.clear()
  }

  async #flushUntilDone(conversationId: string): Promise<void> {
    const state = { again: true }
    this.#flushing.set(conversationId, state)
    while (state.again) {
      state.again = false
      await this.#flush(conversationId)
    }
    this.#flushing.delete(conversationId)
  }

  async #flush(conversationId: string): Promise<void> {
    const delivery = this.#deliveryOf(conversationId)
    for (let failures = 0; !this.#closed; failures++) {
      try {
        await delivery.ready()
        await this.#store.lock(PREFIX + conversationId, () => this.#deliverAll(conversationId, delivery))
        return
      } catch (error) {
        if (error instanceof SignedOutError) return
        if (error instanceof RejectedError) return this.#rejectAll(conversationId, error)
        await sleep(retryDelay(error, failures))
      }
    }
  }

  async #deliverAll(conversationId: string, delivery: Delivery): Promise<void> {
    for (const { key, entry } of await this.#entries(conversationId)) {
      if (this.#closed) return
      if (!entry.outcome) await this.#deliverOne(key, entry, delivery)
      await this.#settle(key)
    }
  }

  async #deliverOne(key: string, entry: OutboxEntry, delivery: Delivery): Promise<void> {
    for (let failures = 0; ; failures++) {
      try {
        const sealed = entry.sealed ?? (entry.kind === 'delete' ? undefined : await delivery.seal(entry))
        if (sealed && !entry.sealed) entry = await this.#change(key, entry, { sealed })
        const sent = await delivery.deliver(entry)
        await this.#change(key, entry, { outcome: { sent } })
        return
      } catch (error) {
        if (PAUSES.some((pause) => error instanceof pause)) throw error
        if (this.#closed) throw this.#closed
        const { code, message } = describe(error)
        const isTemporary = TEMPORARY.has(code)
        if (MEMBERS_CHANGED.has(code) && failures < MAX_UNEXPLAINED_FAILURES) {
          // It was not stored, so it may be signed again: a signature covers who the members are.
          const { sealed: _sealed, ...unsealed } = entry
          entry = await this.#change(key, unsealed, {})
          await delivery.reload()
        } else if (!isTemporary) {
          await this.#change(key, entry, { outcome: { rejected: { code, message } } })
          const waiter = this.#waiters.get(key)
          this.#waiters.delete(key)
          waiter?.reject(error)
          return
        }
        if (isTemporary || failures > 0) await sleep(retryDelay(error, failures))
      }
    }
  }

  async #change(key: string, entry: OutboxEntry, change: Partial<OutboxEntry>): Promise<OutboxEntry> {
    const changed = { ...entry, ...change }
    await this.#store.update(key, () => changed)
    return changed
  }

  /** Takes the outcome of a change out of the store, if it is this client's, or that of a client that is gone. */
  async #settle(key: string): Promise<void> {
    const value = await this.#store.get(key)
    if (!isEntry(value) || !value.outcome) return
    const waiter = this.#waiters.get(key)
    if (value.client !== this.#client && !isOld(key)) return
    this.#waiters.delete(key)
    await this.#store.update(key, () => undefined)
    if ('sent' in value.outcome) waiter?.resolve(replyOf(value.outcome.sent))
    else waiter?.reject(new RejectedError(value.outcome.rejected))
  }

  async #rejectAll(conversationId: string, error: RejectedError): Promise<void> {
    const rejected = { code: error.code, message: error.message }
    for (const { key, entry } of await this.#entries(conversationId)) {
      await this.#change(key, entry, { outcome: { rejected } })
      await this.#settle(key)
    }
  }

  async #entries(conversationId: string): Promise<{ key: string; entry: OutboxEntry }[]> {
    const stored = await this.#store.list(`${PREFIX}${conversationId}/`)
    return stored.flatMap(({ key, value }) => (isEntry(value) ? [{ key, entry: value }] : []))
  }

  /** Keys sort by the time at which they were made, also where the clock was set back since the last one. */
  async #nextKey(conversationId: string): Promise<string> {
    const before = this.#lastOrder ?? this.#storedOrder()
    const next = before.then((order) => Math.max(Date.now() * 1_000, order + 1))
    this.#lastOrder = next
    next.catch(() => {
      this.#lastOrder = undefined
    })
    return `${PREFIX}${conversationId}/${await next}-${this.#client}`
  }

  async #storedOrder(): Promise<number> {
    const entries = await this.#store.list(PREFIX)
    return entries.reduce((order, { key }) => Math.max(order, orderOf(key)), 0)
  }
}

/** The outcome of a change is kept this long for the client that waits for it. */
const OUTCOME_KEPT_MS = 10 * 60 * 1_000

function isOld(key: string): boolean {
  return Date.now() - orderOf(key) / 1_000 > OUTCOME_KEPT_MS
}

function orderOf(key: string): number {
  return Number(key.split('/')[2]?.split('-')[0])
}

function replyOf({ at, ...place }: StoredReply): SentReply {
  return { ...place, at: at === undefined ? undefined : timeOf(at) }
}

function isEntry(value: unknown): value is OutboxEntry {
  return typeof value === 'object' && value !== null && 'draft' in value
}

/** The errors of the encryption have codes too. */
function describe(error: unknown): { code: string; message: string } {
  if (!(error instanceof Error)) return { code: 'failed', message: String(error) }
  return { code: 'code' in error ? String(error.code) : 'failed', message: error.message }
}
