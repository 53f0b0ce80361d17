import type { LightMyRequestResponse } from 'fastify'
import decodeQr from 'jsqr'
import { type TOTP, URI } from 'otpauth'
import { PNG } from 'pngjs'
import type { TestApi } from './api.ts'

type RequestOptions = NonNullable<Parameters<TestApi['send']>[1]>

/** The response to a Whisper sign-in. */
export interface WhisperTokens {
  id: string
  email: string
  access: string
  refresh: string
}

const PREFIX = '/api/v1/user'

/** A client of the Whisper API: it keeps cookies, reads emails, and has an authenticator app. */
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

  /** Another client with the same cookies and the same authenticator app. */
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

  /** Sends a request below `/api/v1/user` with a JSON body. @param line method and path: `POST login/`. */
  request(line: string, body: unknown = {}, options: RequestOptions = {}): Promise<LightMyRequestResponse> {
    const [method, path] = line.split(' ')
    return this.send(`${method} ${PREFIX}/${path}`, { body, ...options })
  }

  register(username?: string): Promise<LightMyRequestResponse> {
    return this.request('POST register/', { email: this.email, ...(username !== undefined && { username }) })
  }

  /** The link in the newest email. @throws if there is none. */
  async confirmationLink(): Promise<string> {
    const emails = await this.#api.emails()
    const email = emails.find(({ to, text }) => to === this.email && text.includes(PREFIX))
    const link = /http\S+\/verify-email\/complete\/[\w-]+\//.exec(email?.text ?? '')?.[0]
    if (!link) throw new Error(`There is no email with a link to ${this.email}.`)
    return link
  }

  /** Confirms the address with the link in the newest email. */
  async confirmEmail(): Promise<LightMyRequestResponse> {
    const { pathname } = new URL(await this.confirmationLink())
    return this.send(`POST ${pathname}`, { body: {} })
  }

  /** Requests the QR code and scans it. @throws if there is none. */
  async scanQrCode(options: RequestOptions = {}): Promise<TOTP> {
    const response = await this.request('POST qr-code/', {}, options)
    const uri = readQrCode(response.rawPayload)
    this.#app = URI.parse(uri) as TOTP
    return this.#app
  }

  /** The code of the app, a number of time steps from now. */
  code(steps = 0): string {
    if (!this.#app) throw new Error('No QR code was scanned.')
    return this.#app.generate({ timestamp: this.#api.clock.now() + steps * 30_000 })
  }

  /** The code of the next time step. Each code is accepted once. */
  nextCode(): string {
    this.#api.clock.advance(30_000)
    return this.code()
  }

  /** Sets up the app. The address must be confirmed, or `options` contain a token. @returns the recovery codes. */
  async setUpTotp(options: RequestOptions = {}): Promise<string[]> {
    await this.request('POST totp-device/create/', {}, options)
    await this.scanQrCode(options)
    const response = await this.request('POST totp-device/verify/', { otp_token: this.code() }, options)
    if (response.statusCode !== 200) throw new Error(response.body)
    return response.json().recovery_codes
  }

  /** Registers, confirms the address and sets up the app. @returns the recovery codes. */
  async registerWithTotp(): Promise<string[]> {
    await this.register()
    await this.confirmEmail()
    return this.setUpTotp()
  }

  login(): Promise<LightMyRequestResponse> {
    return this.request('POST login/', { email: this.email })
  }

  /** Submits a code, and optionally a password, for the address of the previous step. */
  verifyCode(code: string, password?: string, options: RequestOptions = {}): Promise<LightMyRequestResponse> {
    const body = { otp_token: code, ...(password !== undefined && { password }) }
    return this.request('POST totp/verify/', body, options)
  }

  /** Signs in. Default: with the next code. */
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

/** Decodes the QR code in a PNG. @throws if there is none. */
export function readQrCode(png: Buffer): string {
  const { data, width, height } = PNG.sync.read(png)
  const found = decodeQr.default(new Uint8ClampedArray(data), width, height)
  if (!found) throw new Error('There is no QR code in the image.')
  return found.data
}
