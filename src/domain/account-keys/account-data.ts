import type { Database } from '../../db/database.ts'
import {
  type AccountDatum,
  type DataSummary,
  deleteData,
  findData,
  listData,
  writeData,
} from '../../db/queries/account-keys/account-data.ts'
import { AppError, invalidField } from '../../errors.ts'
import { retryWhileStale } from '../shared/retry-while-stale.ts'
import { isStorable } from '../shared/text.ts'
import { meetsCondition, type VersionCondition } from '../shared/version-condition.ts'

export type { AccountDatum, DataSummary } from '../../db/queries/account-keys/account-data.ts'

/** Names under which an account may store data. */
const MAX_NAMES = 16
/** Maximum size of the data under one name, in bytes. */
const MAX_DATA_BYTES = 65_536
const NAME = /^[a-z0-9][a-z0-9._-]{0,63}$/

/** Data that clients store for their user, which they encrypt themselves: verified contacts, drafts, settings. */
export class AccountData {
  readonly #db: Database

  constructor(db: Database) {
    this.#db = db
  }

  list(userId: string): Promise<DataSummary[]> {
    return listData(this.#db.orm, userId)
  }

  /** @throws AppError `not_found`. */
  async find(userId: string, name: string): Promise<AccountDatum> {
    const found = NAME.test(name) ? await findData(this.#db.orm, userId, name) : undefined
    if (!found) throw new AppError('not_found')
    return found
  }

  /**
   * Stores data under a name. Data that is stored already, by a request whose reply was lost, is not stored again.
   * @throws AppError `validation_failed`, `too_many_names` or `precondition_failed`.
   */
  async put(
    userId: string,
    { name, data }: { name: string; data: string },
    condition: VersionCondition,
  ): Promise<DataSummary> {
    if (!NAME.test(name)) throw invalidField('name', 'must match [a-z0-9][a-z0-9._-]{0,63}')
    const size = Buffer.byteLength(data)
    if (size > MAX_DATA_BYTES) throw invalidField('data', `must have at most ${MAX_DATA_BYTES} bytes`)
    if (!isStorable(data)) throw invalidField('data', 'has characters that cannot be stored')
    return retryWhileStale(async () => {
      const stored = await findData(this.#db.orm, userId, name)
      if (!meetsCondition(condition, stored?.version)) {
        if (stored?.data === data) return stored
        throw new AppError('precondition_failed')
      }
      const change = { userId, name, data, replaces: stored?.version ?? null }
      const { version, updatedAt, isFull } = await writeData(this.#db, change, MAX_NAMES)
      if (isFull) throw new AppError('too_many_names')
      return version === null ? undefined : { name, version, size, updatedAt: new Date(updatedAt ?? 0) }
    })
  }

  /** @throws AppError `not_found` or `precondition_failed`. */
  async delete(userId: string, name: string, condition: VersionCondition): Promise<void> {
    await retryWhileStale(async () => {
      const { version } = await this.find(userId, name)
      if (!meetsCondition(condition, version)) throw new AppError('precondition_failed')
      return (await deleteData(this.#db.orm, userId, { name, version })) || undefined
    })
  }
}
