import type { LightMyRequestResponse } from 'fastify'
import decodeQr from 'jsqr'
import { type TOTP, URI } from 'otpauth'
import { PNG } from 'pngjs'
import type { TestApi } from './api.ts'

type RequestOptions = NonNullable<Parameters<TestApi['send']>[1]>

/** What signing in to Whisper answers. */
export interface WhisperTokens {
  id: string
  email: string
  access: string
  refresh: string
}

const PREFIX = '/api/v1/user'

/** A browser that keeps the cookie, a mailbox, and an authenticator app: all that signing in to Whisper takes. */
export class WhisperClient {
  readonly #api: TestApi
  readonly email: string
  readonly cookies: Map<string, string>
  #app: TOTP | undefined

  constructor(api: TestApi, email: string, cookies: Iterable<[string, string]> = []) {
    this.#api = api
    this.email = email
    this.cookies = new Map(cookies)
  }

  /** Another browser with the cookies this one has now, and the same app. */
  copy(): WhisperClient {
    const copy = new WhisperClient(this.#api, this.email, this.cookies)
    copy.#app = this.#app
    return copy
  }

  async send(line: string, options: RequestOptions = {}): Promise<LightMyRequestResponse> {
    const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    const headers = { ...(cookie && { cookie }), ...options.headers }
    const response = await this.#api.send(line, { ...options, headers })
    for (const cookie of [response.headers['set-cookie'] ?? []].flat()) this.#keep(cookie)
    return response
  }

  /** The same, below `/api/v1/user`, with a JSON body; `line` is like `POST login/`. */
  request(line: string, body: unknown = {}, options: RequestOptions = {}): Promise<LightMyRequestResponse> {
    const [method, path] = line.split(' ')
    return this.send(`${method} ${PREFIX}/${path}`, { body, ...options })
  }

  register(username?: string): Promise<LightMyRequestResponse> {
    return this.request('POST register/', { email: this.email, ...(username !== undefined && { username }) })
  }

  /** The link of the newest email. @throws when there is none. */
  async confirmationLink(): Promise<string> {
    const emails = await this.#api.emails()
    const email = emails.find(({ to, text }) => to === this.email && text.includes(PREFIX))
    const link = /http\S+\/verify-email\/complete\/[\w-]+\//.exec(email?.text ?? '')?.[0]
    if (!link) throw new Error(`There is no email with a link to ${this.email}.`)
    return link
  }

  /** Presses the button behind the link of the newest email. */
  async confirmEmail(): Promise<LightMyRequestResponse> {
    const { pathname } = new URL(await this.confirmationLink())
    return this.send(`POST ${pathname}`, { body: {} })
  }

  /** Scans the QR code. @throws when there is none. */
  async scanQrCode(options: RequestOptions = {}): Promise<TOTP> {
    const response = await this.request('POST qr-code/', {}, options)
    const uri = readQrCode(response.rawPayload)
    this.#app = URI.parse(uri) as TOTP
    return this.#app
  }

  /** The code the app shows, a number of steps from now. */
  code(steps = 0): string {
    if (!this.#app) throw new Error('The app knows no secret.')
    return this.#app.generate({ timestamp: this.#api.clock.now() + steps * 30_000 })
  }

  /** A code that was not used before, since its time has just begun. */
  nextCode(): string {
    this.#api.clock.advance(30_000)
    return this.code()
  }

  /** Sets the app up, with the address proved or a token. @returns the recovery codes. */
  async setUpTotp(options: RequestOptions = {}): Promise<string[]> {
    await this.request('POST totp-device/create/', {}, options)
    await this.scanQrCode(options)
    const response = await this.request('POST totp-device/verify/', { otp_token: this.code() }, options)
    if (response.statusCode !== 200) throw new Error(response.body)
    return response.json().recovery_codes
  }

  /** Registers, proves the address and sets the app up. @returns the recovery codes. */
  async registerWithTotp(): Promise<string[]> {
    await this.register()
    await this.confirmEmail()
    return this.setUpTotp()
  }

  login(): Promise<LightMyRequestResponse> {
    return this.request('POST login/', { email: this.email })
  }

  /** Gives a code, and a password if there is one, for the address that was given before. */
  verifyCode(code: string, password?: string, options: RequestOptions = {}): Promise<LightMyRequestResponse> {
    const body = { otp_token: code, ...(password !== undefined && { password }) }
    return this.request('POST totp/verify/', body, options)
  }

  /** Signs in, with a fresh code unless one is given. */
  async signIn(code = this.nextCode(), password?: string): Promise<WhisperTokens> {
    await this.login()
    const response = await this.verifyCode(code, password)
    if (response.statusCode !== 200) throw new Error(response.body)
    return response.json()
  }

  #keep(line: string): void {
    const [name = '', value = ''] = line.split(';', 1)[0]!.split(/=(.*)/s)
    if (value) this.cookies.set(name, value)
    else this.cookies.delete(name)
  }
}

/** What a QR code says. @throws when there is none in the PNG. */
export function readQrCode(png: Buffer): string {
  const { data, width, height } = PNG.sync.read(png)
  const found = decodeQr.default(new Uint8ClampedArray(data), width, height)
  if (!found) throw new Error('There is no QR code in the image.')
  return found.data
}
