import { canonicalEmail } from '../../canonical-email.ts'
import type { Clock } from '../../clock.ts'
import type { Database, Orm } from '../../db/database.ts'
import { failureOf } from '../../db/failures.ts'
import {
  findIdentityOwner,
  type IdentityKey,
  insertIdentity,
  listIdentities,
  lockUserByEmail,
} from '../../db/queries/accounts/identities.ts'
import { markStateUsed } from '../../db/queries/accounts/used-states.ts'
import {
  type Account,
  findAccount,
  findCredentials,
  lockCredentials,
  updateUser,
} from '../../db/queries/accounts/users.ts'
import type { Revocation } from '../../db/queries/sessions/sessions.ts'
import { hasConfirmedDevice } from '../../db/queries/two-factor/totp.ts'
import { AppError } from '../../errors.ts'
import { queueNotice } from '../mail/outbox.ts'
import type { ClientDevice } from '../sessions/client-device.ts'
import type { Sessions } from '../sessions/sessions.ts'
import { hashToken, isSameSecret, newToken } from '../shared/secrets.ts'
import { emailProblem, rejectFields } from './account-rules.ts'
import { verifyFirst } from './first-verification.ts'
import type { IdentityProvider, SignInSecrets, VerifiedIdentity } from './identity-provider.ts'
import type { NewUsers } from './new-users.ts'

/** A started sign-in, kept in the session cookie of the browser that must complete it. */
export interface SocialAttempt extends SignInSecrets {
  /** The name of the provider in URLs of this server. */
  backend: string
  /** Milliseconds since the epoch. */
  expiresAt: number
}

/** The query of the redirect from the provider (RFC 6749, section 4.1.2; RFC 9207). */
export interface ProviderResponse {
  state?: string | undefined
  code?: string | undefined
  error?: string | undefined
  iss?: string | undefined
}

/** The account of a sign-in, and the next step: an account with a password or an authenticator app still requires it. */
export interface SocialSignIn {
  account: Account
  outcome: 'created' | 'needs_device' | 'needs_code'
  /** The changes that the sign-in made, as kinds of security events. */
  changes: ('registered' | 'email_verified' | 'identity_linked')[]
}

/** A sign-in, and the sessions that it ended. */
type Resolution = SocialSignIn & { ended: Revocation[] }

const ATTEMPT_LIFETIME_MS = 10 * 60 * 1000
/** Attempts when concurrent sign-ins take the same address, name or identity. */
const MAX_ATTEMPTS = 5

/** Signs users in with an account at an identity provider. */
export class SocialLogin {
  readonly #db: Database
  readonly #clock: Clock
  readonly #newUsers: NewUsers
  readonly #sessions: Pick<Sessions, 'revokeAllIn' | 'announce'>
  readonly #providers: ReadonlyMap<string, IdentityProvider | null>

  /** @param providers by name in URLs of this server; null for one that is not configured. */
  constructor(options: {
    db: Database
    clock: Clock
    newUsers: NewUsers
    sessions: Pick<Sessions, 'revokeAllIn' | 'announce'>
    providers: ReadonlyMap<string, IdentityProvider | null>
  }) {
    this.#db = options.db
    this.#clock = options.clock
    this.#newUsers = options.newUsers
    this.#sessions = options.sessions
    this.#providers = options.providers
  }

  /**
   * Starts a sign-in.
   * @returns the URL to redirect to, and the attempt to keep in the browser's session cookie.
   * @throws AppError `not_found`, `provider_not_configured` or `provider_unavailable`.
   */
  async begin(backend: string): Promise<{ url: URL; attempt: SocialAttempt }> {
    const provider = this.#provider(backend)
    const secrets = { state: newToken(), nonce: newToken(), codeVerifier: newToken() }
    const url = await provider.authorizationUrl(secrets)
    return { url, attempt: { backend, expiresAt: this.#clock.now() + ATTEMPT_LIFETIME_MS, ...secrets } }
  }

  /**
   * Completes a sign-in. A new user gets an account. An existing account with the same address is linked if the provider has verified
   * the address and the account has no other identity. If its address was never verified here, every credential that was set
   * before is removed.
   * @throws AppError `sign_in_not_begun`, `sign_in_cancelled`, `sign_in_refused`, `email_unverified`, `email_unconfirmed`,
   * `identity_taken`, and those of `begin`.
   */
  async complete(
    backend: string,
    response: ProviderResponse,
    attempt: SocialAttempt | undefined,
    client: ClientDevice = {},
  ): Promise<SocialSignIn> {
    const provider = this.#provider(backend)
    const { nonce, codeVerifier } = await this.#useAttempt(backend, response, attempt)
    const isOfProvider = response.iss === undefined || response.iss === provider.issuer
    if (isOfProvider && response.error === 'access_denied') throw new AppError('sign_in_cancelled')
    if (!isOfProvider || response.error !== undefined || !response.code) throw new AppError('sign_in_refused')
    const identity = await provider.identify(response.code, { nonce, codeVerifier })
    return this.#signIn(identity, client)
  }

  #provider(backend: string): IdentityProvider {
    const provider = this.#providers.get(backend)
    if (provider === undefined) throw new AppError('not_found', { message: 'There is no such provider.' })
    if (provider === null) throw new AppError('provider_not_configured')
    return provider
  }

  /** Accepts each attempt once, before it expires, from the browser that started it. */
  async #useAttempt(
    backend: string,
    { state }: ProviderResponse,
    attempt: SocialAttempt | undefined,
  ): Promise<SocialAttempt> {
    const isSameBrowser = attempt?.backend === backend && isSameSecret(attempt.state, state ?? '')
    if (!isSameBrowser || attempt.expiresAt <= this.#clock.now()) throw new AppError('sign_in_not_begun')
    const isFirst = await markStateUsed(this.#db.orm, hashToken(attempt.state), new Date(attempt.expiresAt))
    if (!isFirst) throw new AppError('sign_in_not_begun')
    return attempt
  }

  async #signIn(identity: VerifiedIdentity, client: ClientDevice): Promise<SocialSignIn> {
    for (let attempt = 1; ; attempt++) {
      try {
        const { ended, ...signIn } = await this.#db.transaction((tx) => this.#resolve(tx, identity, client))
        this.#sessions.announce(ended)
        return signIn
      } catch (error) {
        if (failureOf(error) !== 'duplicate' || attempt === MAX_ATTEMPTS) throw error
      }
    }
  }

  async #resolve(tx: Orm, identity: VerifiedIdentity, client: ClientDevice): Promise<Resolution> {
    const known = await findIdentityOwner(tx, identity)
    const userId = known ?? (await lockUserByEmail(tx, verifiedEmail(identity)))
    if (!userId) return this.#create(tx, identity, verifiedEmail(identity))
    if (known) await lockCredentials(tx, known)
    const changes: SocialSignIn['changes'] = []
    const ended = await this.#verify(tx, identity, userId)
    if (ended) changes.push('email_verified')
    if (await this.#link(tx, identity, userId, client)) changes.push('identity_linked')
    const account = (await findAccount(tx, userId))!
    const credentials = await findCredentials(tx, userId)
    const hasFactor = Boolean(credentials?.passwordHash) || (await hasConfirmedDevice(tx, userId))
    return { account, outcome: hasFactor ? 'needs_code' : 'needs_device', changes, ended: ended ?? [] }
  }

  /** Verifies the address of an account if the provider has verified it; undefined when it was verified already. */
  async #verify(tx: Orm, identity: VerifiedIdentity, userId: string): Promise<Revocation[] | undefined> {
    const account = (await findAccount(tx, userId))!
    if (account.confirmedAt) return undefined
    const isVerified = Boolean(identity.email) && identity.isEmailVerified
    if (!isVerified || canonicalEmail(identity.email!) !== canonicalEmail(account.email)) {
      throw new AppError('email_unconfirmed')
    }
    return verifyFirst(tx, account, { sessions: this.#sessions, now: this.#now() })
  }

  /**
   * Links an identity. Does not replace another one: the address may have had another owner at the provider.
   * @returns whether the identity is new to the account.
   */
  async #link(tx: Orm, identity: VerifiedIdentity, userId: string, client: ClientDevice): Promise<boolean> {
    const others = await listIdentities(tx, userId)
    // The same browser may have sent the request twice.
    if (others.some((other) => isSameIdentity(other, identity))) return false
    if (others.length) throw new AppError('identity_taken')
    const now = this.#now()
    await insertIdentity(tx, { ...identity, userId, now })
    await queueNotice(tx, 'identity_linked', (await findAccount(tx, userId))!, client, now)
    return true
  }

  async #create(tx: Orm, identity: VerifiedIdentity, email: string): Promise<Resolution> {
    const now = this.#now()
    const userId = await this.#newUsers.insert(tx, { email }, now)
    await updateUser(tx, userId, { emailConfirmedAt: now }, now)
    await insertIdentity(tx, { ...identity, userId, now })
    return {
      account: (await findAccount(tx, userId))!,
      outcome: 'created',
      changes: ['registered', 'email_verified', 'identity_linked'],
      ended: [],
    }
  }

  #now(): Date {
    return new Date(this.#clock.now())
  }
}

/** The address of an identity. @throws AppError `email_unverified` unless the provider has verified it. */
function verifiedEmail({ email, isEmailVerified }: VerifiedIdentity): string {
  if (!email || !isEmailVerified) throw new AppError('email_unverified')
  rejectFields({ email: emailProblem(email) })
  return email
}

function isSameIdentity(one: IdentityKey, other: IdentityKey): boolean {
  return one.issuer === other.issuer && one.subject === other.subject
}
