import { nanoid } from 'nanoid'
import { v7 as newId } from 'uuid'
import type { Clock } from '../clock.ts'
import type { Database, Orm } from '../db/database.ts'
import { failureOf } from '../db/failures.ts'
import {
  findIdentityOwner,
  type IdentityKey,
  insertIdentity,
  listIdentities,
  lockUserByEmail,
  spendState,
} from '../db/queries/identities.ts'
import { hasConfirmedDevice } from '../db/queries/totp.ts'
import { type Account, findAccount, insertUser, updateUser } from '../db/queries/users.ts'
import { AppError } from '../errors.ts'
import { emailProblem, refuse } from './account-rules.ts'
import type { IdentityProvider, ProvenIdentity, SignInSecrets } from './identity-provider.ts'
import { hashToken, isSameSecret, newToken } from './secrets.ts'
import { newUsername } from './usernames.ts'

/** A sign-in that a browser has begun: it must be brought back by that browser, and nobody else may see it. */
export interface SocialAttempt extends SignInSecrets {
  /** The provider's name in our URLs. */
  backend: string
  /** Milliseconds since the epoch. */
  expiresAt: number
}

/** What a browser brings back from the provider (RFC 6749, section 4.1.2; RFC 9207). */
export interface ProviderAnswer {
  state?: string | undefined
  code?: string | undefined
  error?: string | undefined
  iss?: string | undefined
}

/** Whose sign-in it was, and what they have yet to do: with a device they still need its code. */
export interface SocialSignIn {
  account: Account
  outcome: 'created' | 'needs_device' | 'needs_code'
}

const ATTEMPT_MS = 10 * 60 * 1000
/** How often somebody else may take the same address, name or identity in the same moment. */
const TRIES = 5

/** Signing in with an account at another site. */
export class SocialLogin {
  readonly #db: Database
  readonly #clock: Clock
  readonly #providers: ReadonlyMap<string, IdentityProvider | null>

  /** @param providers by their names in our URLs; null is one that is known and not set up. */
  constructor(options: {
    db: Database
    clock: Clock
    providers: ReadonlyMap<string, IdentityProvider | null>
  }) {
    this.#db = options.db
    this.#clock = options.clock
    this.#providers = options.providers
  }

  /**
   * Begins a sign-in: where the browser goes next, and what it has to bring back besides.
   * @throws AppError `not_found`, `provider_not_configured` or `provider_unavailable`.
   */
  async begin(backend: string): Promise<{ url: URL; attempt: SocialAttempt }> {
    const provider = this.#provider(backend)
    const secrets = { state: newToken(), nonce: newToken(), codeVerifier: newToken() }
    const url = await provider.authorizationUrl(secrets)
    return { url, attempt: { backend, expiresAt: this.#clock.now() + ATTEMPT_MS, ...secrets } }
  }

  /**
   * Completes the sign-in that the browser began. New people get an account; an account of the same address is only joined
   * when both the provider and we have seen that the address is theirs, and no other identity has.
   * @throws AppError `sign_in_not_begun`, `sign_in_cancelled`, `sign_in_refused`, `email_unverified`, `email_unconfirmed`,
   * `identity_taken`, and those of `begin`.
   */
  async complete(
    backend: string,
    answer: ProviderAnswer,
    attempt: SocialAttempt | undefined,
  ): Promise<SocialSignIn> {
    const provider = this.#provider(backend)
    const { nonce, codeVerifier } = await this.#spend(backend, answer, attempt)
    const isOfProvider = answer.iss === undefined || answer.iss === provider.issuer
    if (isOfProvider && answer.error === 'access_denied') throw new AppError('sign_in_cancelled')
    if (!isOfProvider || answer.error !== undefined || !answer.code) throw new AppError('sign_in_refused')
    const identity = await provider.identify(answer.code, { nonce, codeVerifier })
    return this.#signIn(identity)
  }

  #provider(backend: string): IdentityProvider {
    const provider = this.#providers.get(backend)
    if (provider === undefined) throw new AppError('not_found', { message: 'There is no such provider.' })
    if (provider === null) throw new AppError('provider_not_configured')
    return provider
  }

  /** Lets each attempt come back once, in time, to the browser it began in. */
  async #spend(
    backend: string,
    { state }: ProviderAnswer,
    attempt: SocialAttempt | undefined,
  ): Promise<SocialAttempt> {
    const isTheirs = attempt?.backend === backend && isSameSecret(attempt.state, state ?? '')
    if (!isTheirs || attempt.expiresAt <= this.#clock.now()) throw new AppError('sign_in_not_begun')
    const isFirst = await spendState(this.#db.orm, hashToken(attempt.state), new Date(attempt.expiresAt))
    if (!isFirst) throw new AppError('sign_in_not_begun')
    return attempt
  }

  async #signIn(identity: ProvenIdentity): Promise<SocialSignIn> {
    for (let tries = 1; ; tries++) {
      try {
        return await this.#db.transaction((tx) => this.#resolve(tx, identity))
      } catch (error) {
        if (failureOf(error) !== 'duplicate' || tries === TRIES) throw error
      }
    }
  }

  async #resolve(tx: Orm, identity: ProvenIdentity): Promise<SocialSignIn> {
    const known = await findIdentityOwner(tx, identity)
    if (known) return this.#welcomeBack(tx, known)
    const email = verifiedEmail(identity)
    const userId = await lockUserByEmail(tx, email)
    if (!userId) return this.#create(tx, identity, email)
    await this.#link(tx, identity, userId)
    return this.#welcomeBack(tx, userId)
  }

  async #welcomeBack(tx: Orm, userId: string): Promise<SocialSignIn> {
    const account = (await findAccount(tx, userId))!
    // Anybody can register an address. If the account was linked just now, this undoes it.
    if (!account.confirmedAt) throw new AppError('email_unconfirmed')
    const hasDevice = await hasConfirmedDevice(tx, userId)
    return { account, outcome: hasDevice ? 'needs_code' : 'needs_device' }
  }

  /** The address may have had another owner at the provider: who is already known there is not replaced. */
  async #link(tx: Orm, identity: ProvenIdentity, userId: string): Promise<void> {
    const others = await listIdentities(tx, userId)
    // The same browser may have come twice in this moment.
    if (others.some((other) => isSameIdentity(other, identity))) return
    if (others.length) throw new AppError('identity_taken')
    await insertIdentity(tx, { ...identity, userId, now: this.#now() })
  }

  async #create(tx: Orm, identity: ProvenIdentity, email: string): Promise<SocialSignIn> {
    const now = this.#now()
    const userId = newId()
    const username = newUsername()
    const user = { id: userId, shortId: nanoid(), email, username, displayName: email, passwordHash: null }
    await insertUser(tx, user, now)
    await updateUser(tx, userId, { emailConfirmedAt: now }, now)
    await insertIdentity(tx, { ...identity, userId, now })
    return { account: (await findAccount(tx, userId))!, outcome: 'created' }
  }

  #now(): Date {
    return new Date(this.#clock.now())
  }
}

/** The provider's word counts for an address only when it has tried it. */
function verifiedEmail({ email, isEmailVerified }: ProvenIdentity): string {
  if (!email || !isEmailVerified) throw new AppError('email_unverified')
  refuse({ email: emailProblem(email) })
  return email
}

function isSameIdentity(one: IdentityKey, other: IdentityKey): boolean {
  return one.issuer === other.issuer && one.subject === other.subject
}
