import type { Clock } from '../clock.ts'
import type { Orm } from '../db/database.ts'
import {
  deleteToken,
  deleteTokensOf,
  findTokenOwner,
  insertToken,
  type TokenContext,
} from '../db/queries/tokens.ts'
import { type Credentials, lockCredentials, type UserSummary } from '../db/queries/users.ts'
import { AppError } from '../errors.ts'
import { hashToken, newToken } from './secrets.ts'

export type { TokenContext } from '../db/queries/tokens.ts'

const MINUTE_MS = 60 * 1000
const DAY_MS = 24 * 60 * MINUTE_MS

const LIFETIME_MS: Record<TokenContext, number> = {
  email_confirmation: 7 * DAY_MS,
  password_reset: DAY_MS,
  email_change: 7 * DAY_MS,
  email_verification: 10 * MINUTE_MS,
}

/** Of these a user has one at a time: a new one voids the one before. */
const SINGLE: readonly TokenContext[] = ['email_verification']

/** A user whose row is locked until the end of the transaction. */
export interface LockedUser extends Credentials {
  id: string
}

/** The one-time tokens of letters: void once used, expired, or sent to an address that is no longer the user's. */
export class OneTimeTokens {
  readonly #clock: Clock

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Makes a token for a letter to the user's address. */
  async issue(tx: Orm, context: TokenContext, user: Pick<UserSummary, 'id' | 'email'>): Promise<string> {
    const token = newToken()
    const now = this.#clock.now()
    if (SINGLE.includes(context)) {
      await lockCredentials(tx, user.id)
      await deleteTokensOf(tx, user.id, context)
    }
    await insertToken(tx, {
      hash: hashToken(token),
      userId: user.id,
      context,
      sentTo: user.email,
      now: new Date(now),
      expiresAt: new Date(now + LIFETIME_MS[context]),
    })
    return token
  }

  /**
   * The user the token belongs to; it stays good.
   * @throws AppError `invalid_token`.
   */
  async owner(orm: Orm, context: TokenContext, token: string): Promise<UserSummary> {
    const owner = await findTokenOwner(orm, context, hashToken(token), new Date(this.#clock.now()))
    if (!owner) throw new AppError('invalid_token')
    return owner
  }

  /**
   * Uses the token up, and with it the user's others of its context. The user stays locked until the end of the
   * transaction.
   * @throws AppError `invalid_token`, to all but one of those who use it at once.
   */
  async use(tx: Orm, context: TokenContext, token: string): Promise<LockedUser> {
    const { id } = await this.owner(tx, context, token)
    // The user before the token: everybody locks in this order. What was read before the lock is read again after it.
    const user = await lockCredentials(tx, id)
    await this.owner(tx, context, token)
    if (!user || !(await deleteToken(tx, hashToken(token)))) throw new AppError('invalid_token')
    await deleteTokensOf(tx, id, context)
    return { id, ...user }
  }
}
