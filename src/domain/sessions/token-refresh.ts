import type { Clock } from '../../clock.ts'
import type { Database } from '../../db/database.ts'
import {
  exchangeToken,
  findPresentedToken,
  type PresentedToken,
} from '../../db/queries/sessions/refresh-tokens.ts'
import { AppError } from '../../errors.ts'
import { busy } from '../shared/retry-until-committed.ts'
import { hashToken } from '../shared/secrets.ts'
import { type AccessTokenSigner, signAccessToken } from './access-tokens.ts'
import { type ClientDevice, storableDevice } from './client-device.ts'
import type { RefreshChain } from './refresh-chain.ts'

export type { PresentedToken } from '../../db/queries/sessions/refresh-tokens.ts'

/** The tokens of a session. */
export interface SessionTokens {
  sessionId: string
  accessToken: string
  refreshToken: string
}

/** The tokens of a session that was refreshed, and its user. */
export type RefreshedSession = SessionTokens & { userId: string }

interface TokenRefreshOptions {
  db: Database
  clock: Clock
  signer: AccessTokenSigner
  chain: RefreshChain
  /** Ends the session of a token that was used by two parties. */
  endReused(presented: PresentedToken, device: ClientDevice): Promise<void>
}

/** Attempts of one exchange while the session keeps changing. Each fails because another change has succeeded. */
const MAX_ATTEMPTS = 100

/** Exchanges refresh tokens. */
export class TokenRefresh {
  readonly #options: TokenRefreshOptions

  constructor(options: TokenRefreshOptions) {
    this.#options = options
  }

  /** Finds a refresh token, valid or not, with its session. */
  find(refreshToken: string): Promise<PresentedToken | undefined> {
    return findPresentedToken(this.#options.db, hashToken(refreshToken))
  }

  /**
   * Exchanges a refresh token.
   * @param found what `find` has returned for it.
   * @throws AppError `invalid_token`; `busy` when the session keeps changing.
   */
  async refresh(
    refreshToken: string,
    device: ClientDevice,
    found: PresentedToken | undefined,
  ): Promise<RefreshedSession> {
    let presented = found
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      if (!presented) throw new AppError('invalid_token')
      const session = await this.#exchange(refreshToken, presented, device)
      if (session) return session
      presented = await this.find(refreshToken)
    }
    throw busy()
  }

  /** Undefined when the session has changed since the token was found. */
  async #exchange(
    refreshToken: string,
    presented: PresentedToken,
    device: ClientDevice,
  ): Promise<RefreshedSession | undefined> {
    const { db, clock, signer, chain, endReused } = this.#options
    const now = clock.now()
    const { userId, sessionId } = presented
    const exchange = chain.exchange(refreshToken, presented, now)
    if (exchange.outcome === 'reused') await endReused(presented, device)
    if (!('refreshToken' in exchange)) throw new AppError('invalid_token')
    const { outcome, expiresAt, refreshToken: newest } = exchange
    const isExchanged = await exchangeToken(db, {
      presented,
      hash: hashToken(refreshToken),
      successorHash: outcome === 'successor' ? hashToken(newest) : null,
      now,
      expiresAt,
      ...storableDevice(device),
    })
    if (!isExchanged) return undefined
    const accessToken = signAccessToken(signer, { userId, sessionId, expiresAt: new Date(expiresAt) }, now)
    return { userId, sessionId, accessToken, refreshToken: newest }
  }
}
