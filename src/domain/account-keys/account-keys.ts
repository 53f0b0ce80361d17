import { readEntry } from '../../account-keys/index.ts'
import type { Clock } from '../../clock.ts'
import type { Directory } from '../../config/config.ts'
import type { Database, Orm } from '../../db/database.ts'
import { readKeyHistories } from '../../db/queries/account-keys/key-history.ts'
import {
  conversationContacts,
  findKeySet,
  type KeySet,
  type ListedKeys,
  listKeys,
  writeKeySet,
} from '../../db/queries/account-keys/key-sets.ts'
import { findCredentials } from '../../db/queries/accounts/users.ts'
import type { StoredEntry } from '../../db/schema/account-keys.ts'
import { AppError } from '../../errors.ts'
import type { MailWorker } from '../mail/mail-worker.ts'
import { queueNotice } from '../mail/outbox.ts'
import type { SecurityLog } from '../security/security-log.ts'
import type { ClientDevice } from '../sessions/client-device.ts'
import type { Sessions } from '../sessions/sessions.ts'
import type { EventBus } from '../shared/events.ts'
import { COMMIT_TIMEOUT_MS, retryUntilCommitted } from '../shared/retry-until-committed.ts'
import { retryWhileStale } from '../shared/retry-while-stale.ts'
import { readUuid } from '../shared/uuid.ts'
import { meetsCondition, type VersionCondition } from '../shared/version-condition.ts'
import { type CheckedKeySet, checkKeySet, type NewKeySet, verifyKeySet } from './new-key-set.ts'

export type { AccountPublicKeys, KeySet } from '../../db/queries/account-keys/key-sets.ts'
export type { StoredEntry } from '../../db/schema/account-keys.ts'

/** Entries of one user in a response. */
const MAX_ENTRIES_PER_USER = 100
/** Entries of all users in a response. */
const MAX_ENTRIES = 2_000

interface AccountKeysOptions {
  db: Database
  clock: Clock
  events: EventBus
  sessions: Pick<Sessions, 'requireRecentSignIn'>
  mail: Pick<MailWorker, 'wake'>
  securityLog: Pick<SecurityLog, 'record'>
  /** Whose keys a user may read. */
  directory: Directory
}

/** The owner of a key set, and the session that changes it. */
export interface KeySetOwner extends ClientDevice {
  userId: string
  sessionId: string
}

/** The keys of a user with the entries of their history that the reader does not know, if asked for. */
export interface QueriedKeys extends ListedKeys {
  history?: StoredEntry[]
}

/** A stored key set, and the others in the conversations of its owner. */
interface PutResult {
  set: KeySet
  contactIds: string[]
  /** Whether an earlier request has stored it. */
  isRepeated: boolean
}

/** The key sets of accounts: the current one, and the history of all. */
export class AccountKeys {
  readonly #options: AccountKeysOptions

  constructor(options: AccountKeysOptions) {
    this.#options = options
  }

  /** The own key set of a user. @throws AppError `no_keys`. */
  async find(userId: string): Promise<KeySet> {
    const found = await findKeySet(this.#options.db.orm, userId)
    if (!found) throw new AppError('no_keys')
    return found
  }

  /**
   * Stores the next version of a key set. One that is stored already, by a request whose reply was lost, is returned again.
   * @throws AppError `validation_failed`, `precondition_failed`, or `reauthentication_required` for a reset by an old session.
   */
  async put(owner: KeySetOwner, newSet: NewKeySet, condition: VersionCondition): Promise<KeySet> {
    const { clock, events, mail, securityLog } = this.#options
    const checked = checkKeySet(newSet)
    let wasUnknown = false
    const { set, contactIds, isRepeated } = await retryUntilCommitted(
      (outcomeUnknown) => {
        wasUnknown = outcomeUnknown
        return retryWhileStale(() => this.#tryPut(owner, checked, condition))
      },
      { clock, until: clock.now() + COMMIT_TIMEOUT_MS },
    )
    const { userId, sessionId, ip, userAgent } = owner
    const { reset, version, thumbprint } = await readEntry(checked.entry)
    if (!isRepeated || wasUnknown) {
      const kind = reset ? 'keys_reset' : version === 1 ? 'keys_created' : 'keys_replaced'
      securityLog.record(kind, { userId, sessionId, ip, userAgent })
      mail.wake()
    }
    // A repeated one too: the node that stored it may have failed before it emitted the event.
    events.emit('account_keys_changed', { userId, version, thumbprint, contactIds })
    return set
  }

  /**
   * The keys of those of the users who have a key set and whom the viewer may see. The ids may be any texts.
   * @param knownVersions the versions that the viewer knows, by user id: adds the entries after them.
   */
  async query(
    viewerId: string,
    userIds: readonly string[],
    knownVersions?: Readonly<Record<string, number>>,
  ): Promise<QueriedKeys[]> {
    const ids = new Set(userIds.map(readUuid).filter((id) => id !== undefined))
    const found = ids.size ? await this.#visibleKeys(viewerId, [...ids]) : []
    if (!knownVersions || !found.length) return found
    const known = new Map(Object.entries(knownVersions).map(([id, version]) => [readUuid(id), version]))
    const ranges = found.map(({ userId, version }) => ({
      userId,
      after: known.get(userId) ?? 0,
      upTo: version,
    }))
    const histories = await readKeyHistories(this.#options.db, ranges, {
      perUser: MAX_ENTRIES_PER_USER,
      limit: MAX_ENTRIES,
    })
    return found.map((keys) => ({ ...keys, history: histories.get(keys.userId) ?? [] }))
  }

  /** Up to a hundred entries of a user's history after a version, oldest first. @throws AppError `no_keys`. */
  async history(viewerId: string, userId: string, afterVersion: number): Promise<StoredEntry[]> {
    const id = readUuid(userId)
    const [found] = id ? await this.#visibleKeys(viewerId, [id]) : []
    if (!found) throw new AppError('no_keys')
    const range = { userId: found.userId, after: afterVersion, upTo: found.version }
    const limits = { perUser: MAX_ENTRIES_PER_USER, limit: MAX_ENTRIES_PER_USER }
    const histories = await readKeyHistories(this.#options.db, [range], limits)
    return histories.get(found.userId) ?? []
  }

  #visibleKeys(viewerId: string, ids: string[]): Promise<ListedKeys[]> {
    const { db, directory } = this.#options
    return listKeys(db.orm, ids, directory === 'members' ? viewerId : undefined)
  }

  /** One attempt; undefined if another change was made meanwhile. */
  async #tryPut(
    owner: KeySetOwner,
    checked: CheckedKeySet,
    condition: VersionCondition,
  ): Promise<PutResult | undefined> {
    const { db, sessions } = this.#options
    const { userId } = owner
    const stored = await findKeySet(db.orm, userId)
    if (stored && isSame(stored, checked)) {
      return { set: stored, contactIds: await conversationContacts(db.orm, userId), isRepeated: true }
    }
    if (!meetsCondition(condition, stored?.version)) throw new AppError('precondition_failed')
    const { version, thumbprint, reset } = await verifyKeySet(checked, userId, stored?.entry)
    if (reset) await sessions.requireRecentSignIn(owner.sessionId)
    return db.transaction(async (tx) => {
      const set = await writeKeySet(tx, { userId, version, thumbprint, ...checked })
      if (!set) return undefined
      if (reset) await this.#queueResetNotice(tx, owner)
      return { set, contactIds: await conversationContacts(tx, userId), isRepeated: false }
    })
  }

  async #queueResetNotice(tx: Orm, { userId, ip, userAgent }: KeySetOwner): Promise<void> {
    const credentials = await findCredentials(tx, userId)
    if (!credentials) return
    const user = { id: userId, email: credentials.email }
    await queueNotice(tx, 'keys_reset', user, { ip, userAgent }, new Date(this.#options.clock.now()))
  }
}

function isSame(
  stored: { locked: string; entry: StoredEntry },
  { locked, entry }: { locked: string; entry: StoredEntry },
): boolean {
  const isSameSignature = ({ protected: header, signature }: StoredEntry['signatures'][number], at: number) =>
    entry.signatures[at]?.protected === header && entry.signatures[at].signature === signature
  return (
    stored.locked === locked &&
    stored.entry.payload === entry.payload &&
    stored.entry.signatures.length === entry.signatures.length &&
    stored.entry.signatures.every(isSameSignature)
  )
}
