import { KeyError } from '../../account-keys/errors.ts'
import type { PublicKeys } from '../../account-keys/jwk.ts'
import { Emitter } from '../emitter.ts'
import { EncryptionError } from '../encryption/errors.ts'
import { checkCurrentKeys, extendHistory, type KeyHistory } from '../encryption/key-history.ts'
import type { Session } from '../session/session.ts'
import type { Store } from '../stores/store.ts'
import type { WireKeyHistory, WireQueriedKeys } from '../wire.ts'

/** The keys of a user, as the server names them beside a conversation. */
export type NamedKeys = PublicKeys & { version: number }

const PREFIX = 'keys/'
const MAX_QUERIED = 500

/** What the directory announces. */
export interface KeyDirectoryEvents {
  /** A user has other keys than before. */
  changed: { userId: string; history: KeyHistory; isFirst: boolean }
  /** The server presented keys that contradict what it presented before. */
  rejected: { userId: string; code: string }
}

/**
 * The key histories of users, as far as they were verified. They are stored, and only ever extended: a server that presents other
 * keys later, or none, is not believed.
 */
export class KeyDirectory extends Emitter<KeyDirectoryEvents> {
  readonly #session: Session
  readonly #store: Store
  readonly #histories = new Map<string, KeyHistory>()
  readonly #rejected = new Map<string, string>()
  readonly #loaded = new Set<string>()
  /** Users who had no keys when the server was asked. */
  readonly #keyless = new Set<string>()

  constructor(session: Session, store: Store) {
    super()
    this.#session = session
    this.#store = store
  }

  /** The verified history of a user; empty for one without keys, or whom this client has not asked about. */
  historyOf(userId: string): KeyHistory {
    return this.#histories.get(userId) ?? []
  }

  /** Why the last keys of a user that the server presented were rejected; undefined if they were not. */
  rejectionOf(userId: string): string | undefined {
    return this.#rejected.get(userId)
  }

  /** Verifies the keys of those users of whom none are known, unless the server has said that they have none. */
  async ensure(userIds: readonly string[]): Promise<void> {
    await this.#load(userIds)
    const unknown = userIds.filter((id) => this.historyOf(id).length === 0 && !this.#keyless.has(id))
    if (unknown.length > 0) await this.refresh(unknown)
  }

  /** Forgets who has no keys: it may have changed while this client was disconnected. */
  forgetKeyless(): void {
    this.#keyless.clear()
  }

  /** Verifies keys that the server names: they count for nothing, unless the key histories say the same. */
  async check(named: Readonly<Record<string, NamedKeys>>): Promise<void> {
    const userIds = Object.keys(named)
    await this.#load(userIds)
    const stale = userIds.filter((userId) => named[userId]!.version !== this.historyOf(userId).length)
    if (stale.length > 0) await this.refresh(stale)
    for (const userId of userIds) {
      if (this.#rejected.has(userId)) continue
      await this.#verify(userId, async () => void checkCurrentKeys(this.historyOf(userId), named[userId]!))
    }
  }

  /** Asks the server for the keys of users, and verifies what is new. */
  async refresh(userIds: readonly string[]): Promise<void> {
    await this.#load(userIds)
    for (let start = 0; start < userIds.length; start += MAX_QUERIED) {
      const ids = userIds.slice(start, start + MAX_QUERIED)
      const known_versions = Object.fromEntries(ids.map((id) => [id, this.historyOf(id).length]))
      const { items } = await this.#session.request<{ items: WireQueriedKeys[] }>('POST', '/api/keys/query', {
        body: { user_ids: ids, known_versions },
        repeatable: true,
      })
      for (const id of ids) this.#keyless.add(id)
      for (const { user_id } of items) this.#keyless.delete(user_id)
      await Promise.all(
        items.map((item) => this.#verify(item.user_id, () => this.#accept(item, known_versions))),
      )
    }
  }

  async #load(userIds: readonly string[]): Promise<void> {
    const unknown = userIds.filter((userId) => !this.#loaded.has(userId))
    await Promise.all(
      unknown.map(async (userId) => {
        const stored = await this.#store.get(PREFIX + userId)
        // Only verified histories are stored.
        if (Array.isArray(stored) && !this.#histories.has(userId))
          this.#histories.set(userId, stored as KeyHistory)
        this.#loaded.add(userId)
      }),
    )
  }

  async #accept(
    { user_id: userId, history: entries = [], ...named }: WireQueriedKeys,
    knownVersions: Record<string, number>,
  ): Promise<void> {
    const known = this.historyOf(userId)
    if (named.version < (knownVersions[userId] ?? 0)) {
      throw new EncryptionError('history_forked', 'The server names older keys than before.')
    }
    const history = await this.#complete(userId, await extendHistory(userId, known, entries), named.version)
    checkCurrentKeys(history, named)
    this.#rejected.delete(userId)
    if (history.length > known.length) await this.#keep(userId, history)
  }

  async #verify(userId: string, verify: () => Promise<void>): Promise<void> {
    try {
      await verify()
    } catch (error) {
      if (!(error instanceof KeyError || error instanceof EncryptionError)) throw error
      this.#rejected.set(userId, error.code)
      this.emit('rejected', { userId, code: error.code })
    }
  }

  /** Reads the entries that a reply had no room for. */
  async #complete(userId: string, start: KeyHistory, version: number): Promise<KeyHistory> {
    let history = start
    while (history.length < version) {
      const path = `/api/keys/${userId}/history?after_version=${history.length}`
      const { items } = await this.#session.request<WireKeyHistory>('GET', path)
      if (items.length === 0) break
      history = await extendHistory(userId, history, items)
    }
    return history
  }

  /** Keeps a verified history, unless another answer or another tab has verified a different one meanwhile. */
  async #keep(userId: string, history: KeyHistory): Promise<void> {
    let isForked = false
    await this.#store.update(PREFIX + userId, (stored) => {
      const other = Array.isArray(stored) ? (stored as KeyHistory) : []
      isForked = contradicts(other, history)
      return isForked || other.length > history.length ? other : history
    })
    const known = this.historyOf(userId)
    if (isForked || contradicts(known, history)) {
      throw new EncryptionError('history_forked', 'The server shows different key histories of one user.')
    }
    if (history.length <= known.length) return
    this.#histories.set(userId, history)
    const before = known.at(-1)
    const isSame = before && before.thumbprint === history.at(-1)?.thumbprint
    if (!isSame) this.emit('changed', { userId, history, isFirst: known.length === 0 })
  }
}

/** Whether two histories differ in an entry that both have. Each entry names the hash of the one before, so that the last one decides. */
function contradicts(one: KeyHistory, other: KeyHistory): boolean {
  const last = Math.min(one.length, other.length) - 1
  return last >= 0 && one[last]!.hash !== other[last]!.hash
}
