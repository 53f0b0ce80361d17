import type { Clock } from '../../clock.ts'
import type { Orm } from '../../db/database.ts'
import {
  deleteToken,
  deleteTokensOf,
  findTokenOwner,
  insertToken,
  type TokenContext,
} from '../../db/queries/accounts/one-time-tokens.ts'
import { type Credentials, lockCredentials, type UserSummary } from '../../db/queries/accounts/users.ts'
import { AppError } from '../../errors.ts'
import { hashToken, newToken } from '../shared/secrets.ts'

export type { TokenContext } from '../../db/queries/accounts/one-time-tokens.ts'

const MINUTE_MS = 60 * 1000
const DAY_MS = 24 * 60 * MINUTE_MS

const LIFETIME_MS: Record<TokenContext, number> = {
  email_confirmation: 7 * DAY_MS,
  password_reset: DAY_MS,
  email_change: 7 * DAY_MS,
  email_verification: 10 * MINUTE_MS,
  registration_denial: 7 * DAY_MS,
}

/** A user has one of these at a time: a new one voids the previous one. */
const SINGLE: readonly TokenContext[] = ['email_verification']

/** A user whose row is locked until the transaction ends. */
export interface LockedUser extends Credentials {
  id: string
}

/** One-time tokens in emails. A token is void once used or expired, or when the user has another address. */
export class OneTimeTokens {
  readonly #clock: Clock

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Issues a token for an email to the user's address. */
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
   * Finds the user of a token, without using it.
   * @throws AppError `invalid_token`.
   */
  async owner(orm: Orm, context: TokenContext, token: string): Promise<UserSummary> {
    const owner = await findTokenOwner(orm, context, hashToken(token), new Date(this.#clock.now()))
    if (!owner) throw new AppError('invalid_token')
    return owner
  }

  /**
   * Uses a token, and voids the user's other tokens of its context. The user stays locked until the transaction ends. Of
   * concurrent calls one succeeds.
   * @throws AppError `invalid_token`.
   */
  async use(tx: Orm, context: TokenContext, token: string): Promise<LockedUser> {
    const { id } = await this.owner(tx, context, token)
    // Locks are always taken in this order, user before token. What was read before the lock is read again after it.
    const user = await lockCredentials(tx, id)
    await this.owner(tx, context, token)
    if (!user || !(await deleteToken(tx, hashToken(token)))) throw new AppError('invalid_token')
    await deleteTokensOf(tx, id, context)
    return { id, ...user }
  }
}
