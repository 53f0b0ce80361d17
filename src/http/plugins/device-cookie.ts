import type { FastifyReply, FastifyRequest } from 'fastify'
import { KNOWN_DEVICE_LIFETIME_MS, type KnownDevices } from '../../domain/sessions/known-devices.ts'
import type { CodeOrigin } from '../../domain/two-factor/code-limits.ts'
import { deviceOf, networkOf } from '../device.ts'
import { hostCookieName } from './host-cookies.ts'

/** The cookie of a browser that has signed in before. Wrong passwords and codes from elsewhere do not lock it out. */
export class DeviceCookie {
  readonly #devices: KnownDevices
  readonly #name: string
  readonly #attributes: string
  /** The limits of a request and its handler ask for the same device. */
  readonly #recognized = new WeakMap<FastifyRequest, { email: string; device: Promise<string | undefined> }>()

  constructor(devices: KnownDevices, publicUrl: string) {
    this.#devices = devices
    this.#name = hostCookieName('parley_device', publicUrl)
    const secure = publicUrl.startsWith('https:') ? '; Secure' : ''
    this.#attributes = `Max-Age=${KNOWN_DEVICE_LIFETIME_MS / 1000}; Path=/; HttpOnly${secure}; SameSite=Lax`
  }

  /** The id of the device, if the account with this email has signed in on it before. */
  recognize(request: FastifyRequest, email: string): Promise<string | undefined> {
    const known = this.#recognized.get(request)
    if (known?.email === email) return known.device
    const device = this.#devices.recognize(this.#read(request), email)
    this.#recognized.set(request, { email, device })
    return device
  }

  /** The origin of a code that is entered for this email. */
  async originOf(request: FastifyRequest, email: string): Promise<CodeOrigin> {
    const deviceId = await this.recognize(request, email)
    const trustedClient = deviceId && `device ${deviceId}`
    return { ...deviceOf(request), network: networkOf(request), trustedClient }
  }

  /** Sets the cookie after a user has signed in. */
  set(request: FastifyRequest, reply: FastifyReply, userId: string): void {
    const value = this.#devices.remember(this.#read(request), userId)
    reply.header('set-cookie', `${this.#name}=${value}; ${this.#attributes}`)
  }

  #read({ headers }: FastifyRequest): string | undefined {
    const pairs = (headers.cookie ?? '').split(';').map((pair) => pair.trim().split('=', 2))
    return pairs.find(([name]) => name === this.#name)?.[1]
  }
}
