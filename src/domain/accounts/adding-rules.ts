import type { UnconfirmedMode } from '../../config/config.ts'
import type { Orm } from '../../db/database.ts'
import {
  isUnconfirmed,
  isUnconfirmedNonContact,
  refusesBeingAdded,
} from '../../db/queries/accounts/adding.ts'
import { AppError } from '../../errors.ts'

/** Decides who may add whom to conversations and rooms, by the setting `whoCanAdd` and the option `UNCONFIRMED`. */
export class AddingRules {
  readonly #isLimited: boolean

  /** @param mode whether accounts with an unconfirmed email may reach users who are not their contacts. */
  constructor(mode: UnconfirmedMode) {
    this.#isLimited = mode === 'limited'
  }

  /** Checks that a user may create rooms and upload files. @throws AppError `email_unconfirmed`. */
  async requireConfirmed(orm: Orm, userId: string): Promise<void> {
    if (this.#isLimited && (await isUnconfirmed(orm, userId))) throw new AppError('email_unconfirmed')
  }

  /**
   * Checks that a user may add others. Call it first in the transaction that adds them.
   * @throws AppError `email_unconfirmed`, or `not_allowed_to_add`, which does not reveal who does not allow it.
   */
  async require(tx: Orm, adderId: string, addedIds: readonly string[]): Promise<void> {
    const others = addedIds.filter((id) => id !== adderId)
    if (others.length === 0) return
    if (this.#isLimited && (await isUnconfirmedNonContact(tx, adderId, others))) {
      throw new AppError('email_unconfirmed')
    }
    if (await refusesBeingAdded(tx, adderId, others)) throw new AppError('not_allowed_to_add')
  }
}
