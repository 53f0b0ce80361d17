import { Account } from './account.ts'
import { fetchWithCookies } from './session/cookies.ts'
import { HttpApi } from './session/http.ts'
import { type ClientOptions, openSession } from './session/sign-in.ts'
import type { WhisperSignInResponse, WireConfirmedTotpDevice, WireWhisperAccount } from './wire.ts'

const PREFIX = '/api/v1/user'

/** An account without a password, as its steps report it. */
export interface PasswordlessAccount {
  email: string
  username: string
  /** Whether the address is verified. */
  isVerified: boolean
}

/** What signs in an account without a password. */
export interface CodeCredentials {
  /** A code of the authenticator app that was not used yet, or a recovery code. */
  code: string
  /** Default: the address that was verified with the same steps, within half an hour. */
  email?: string
  /** For accounts that have a password as well. */
  password?: string
}

/**
 * The steps of accounts that sign in by email and authenticator app. They belong together by a cookie of the server: use one
 * object for all of them.
 */
export class PasswordlessSteps {
  readonly #options: ClientOptions
  readonly #http: HttpApi
  readonly #fetch = fetchWithCookies()

  constructor(options: ClientOptions) {
    this.#options = options
    this.#http = new HttpApi(options.url)
  }

  /** Creates an account, and sends an email with a link. @param options.username default: a generated one. */
  async register(email: string, { username }: { username?: string } = {}): Promise<PasswordlessAccount> {
    const body = { email, ...(username !== undefined && { username }) }
    return accountOf(await this.#post('/register/', body))
  }

  /** Sends another email with a link, if the account exists. The links before are void. */
  async sendEmail(email: string): Promise<void> {
    await this.#post('/verify-email/begin/', { email })
  }

  /** Verifies the address. @param link the link in the email, or the token in it. */
  async verifyEmail(link: string): Promise<PasswordlessAccount> {
    const token = /\/complete\/([^/?#]+)/.exec(link)?.[1] ?? encodeURIComponent(link)
    return accountOf(await this.#post(`/verify-email/complete/${token}/`))
  }

  /** Begins to set up an authenticator app, after the address was verified. @returns the QR code to scan, as a PNG image. */
  async setUpAuthenticator(): Promise<Blob> {
    await this.#post('/totp-device/create/')
    const image = await this.#http.respond('POST', `${PREFIX}/qr-code/`, { body: {}, fetch: this.#fetch })
    return image.blob()
  }

  /** Confirms the app with its first code. The next code signs in. @returns recovery codes, which cannot be shown again. */
  async confirmAuthenticator(code: string): Promise<string[]> {
    const device = await this.#post<WireConfirmedTotpDevice>('/totp-device/verify/', { otp_token: code })
    return device.recovery_codes
  }

  /** Signs in, and ends the previous session of this kind. @throws RejectedError `otp_invalid`, `password_required` */
  async signIn({ code, email, password }: CodeCredentials): Promise<Account> {
    if (email !== undefined) await this.#post('/login/', { email })
    const factors = { otp_token: code, ...(password !== undefined && { password }) }
    const { refresh } = await this.#post<WhisperSignInResponse>('/totp/verify/', factors)
    // Only this response contains the user as the rest of the API does.
    const opened = await openSession(this.#options, '/auth/refresh', { token: refresh })
    return new Account({ ...opened, transport: this.#options.transport })
  }

  #post<T = WireWhisperAccount>(path: string, body: object = {}): Promise<T> {
    return this.#http.request<T>('POST', PREFIX + path, { body, fetch: this.#fetch })
  }
}

/** The steps of signing up and signing in without a password. */
export function passwordless(options: ClientOptions): PasswordlessSteps {
  return new PasswordlessSteps(options)
}

function accountOf({
  email,
  username,
  is_email_verified: isVerified,
}: WireWhisperAccount): PasswordlessAccount {
  return { email, username, isVerified }
}
