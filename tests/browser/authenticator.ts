import { TOTP, URI } from 'otpauth'
import type { Locator } from 'playwright-core'
import type { TestApp } from '../support/app.ts'
import { readQrCode } from '../support/whisper-client.ts'

/** An authenticator app, set up from an `otpauth://` URI. */
export class Authenticator {
  readonly #clock: TestApp['clock']
  readonly #totp: TOTP

  constructor(uri: string, clock: TestApp['clock']) {
    const totp = URI.parse(uri)
    if (!(totp instanceof TOTP)) throw new Error(`Not the key of an authenticator: ${uri}`)
    this.#totp = totp
    this.#clock = clock
  }

  get issuer(): string {
    return this.#totp.issuer
  }

  get secret(): string {
    return this.#totp.secret.base32
  }

  /** The current code. */
  code(): string {
    return this.#totp.generate({ timestamp: this.#clock.now() })
  }

  /** The next code. Each is accepted once. */
  nextCode(): string {
    this.#clock.advance(30_000)
    return this.code()
  }
}

/** Reads a QR code on the page. */
export async function scan(image: Locator): Promise<string> {
  return readQrCode(await image.screenshot())
}
