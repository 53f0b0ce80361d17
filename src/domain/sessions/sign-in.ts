import { AppError } from '../../errors.ts'
import type { AccountPasswords } from '../accounts/account-passwords.ts'
import type { Accounts, SignInDetails } from '../accounts/accounts.ts'
import type { SecurityLog } from '../security/security-log.ts'
import type { GivenCode } from '../two-factor/code-attempts.ts'
import type { CodeOrigin } from '../two-factor/code-limits.ts'
import type { Totp } from '../two-factor/totp.ts'
import type { SessionKind, SessionRequirements, Sessions, SessionTokens } from './sessions.ts'

export interface SignInOptions {
  accounts: Pick<Accounts, 'signInDetails'>
  passwords: Pick<AccountPasswords, 'check'>
  totp: Pick<Totp, 'challenge' | 'verify'>
  sessions: Pick<Sessions, 'open'>
  securityLog: Pick<SecurityLog, 'record'>
}

/** The user and the tokens of a new session. */
export type SignedIn = SessionTokens & { userId: string }

/** Signs users in. Both ways require every factor of the account. */
export class SignIn {
  readonly #accounts: SignInOptions['accounts']
  readonly #passwords: SignInOptions['passwords']
  readonly #totp: SignInOptions['totp']
  readonly #sessions: SignInOptions['sessions']
  readonly #securityLog: SignInOptions['securityLog']

  constructor({ accounts, passwords, totp, sessions, securityLog }: SignInOptions) {
    this.#accounts = accounts
    this.#passwords = passwords
    this.#totp = totp
    this.#sessions = sessions
    this.#securityLog = securityLog
  }

  /**
   * Signs in with a password, and a code if the account has an authenticator app.
   * @returns also the data of the response.
   * @throws AppError `invalid_credentials`, `totp_required`, `otp_invalid`, or `rate_limited`.
   */
  async withPassword(
    { email, password }: { email: string; password: string },
    { code, origin }: Partial<GivenCode> & Pick<GivenCode, 'origin'>,
  ): Promise<SignedIn & { details: SignInDetails }> {
    const { account, result, check } = await this.#passwords.check(email, password)
    if (!account || result !== 'right')
      return this.#recordFailure(new AppError('invalid_credentials'), account?.id, origin)
    const { id } = account
    const challenge = await this.#recordingFailure(
      id,
      origin,
      this.#totp.challenge(account, { ...(code && { code }), origin }),
    )
    // Read at the same time, to save a round trip.
    const [session, details] = await Promise.all([
      this.#open(id, origin, 'password', { ...check, ...challenge }),
      this.#accounts.signInDetails(id),
    ])
    return { ...session, details }
  }

  /**
   * Signs in with a code, and the password if the account has one.
   * @throws AppError `otp_invalid` whatever is wrong, `password_required` if only the password is missing, or `rate_limited`.
   */
  async withCode(
    { email, password }: { email: string; password: string | undefined },
    given: GivenCode,
  ): Promise<SignedIn> {
    const { origin } = given
    const { account: user, result, check } = await this.#passwords.check(email, password)
    const factors = await this.#recordingFailure(
      user?.id,
      origin,
      this.#totp.verify({ email, user }, given, result),
    )
    return this.#open(user!.id, origin, 'whisper', { ...check, ...factors })
  }

  async #open(
    userId: string,
    origin: CodeOrigin,
    kind: SessionKind,
    check: SessionRequirements,
  ): Promise<SignedIn> {
    const opening = this.#sessions.open(userId, origin, { kind, check, event: 'sign_in' })
    return { userId, ...(await this.#recordingFailure(userId, origin, opening)) }
  }

  async #recordingFailure<T>(userId: string | undefined, origin: CodeOrigin, step: Promise<T>): Promise<T> {
    return step.catch((error) => this.#recordFailure(error, userId, origin))
  }

  #recordFailure(error: unknown, userId: string | undefined, { ip, userAgent }: CodeOrigin): never {
    // `rate_limited` is recorded where attempts are counted.
    if (error instanceof AppError && error.status === 401)
      this.#securityLog.record('sign_in_failed', { userId, ip, userAgent, reason: error.code })
    throw error
  }
}
