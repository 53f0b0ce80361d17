import { createHmac } from 'node:crypto'
import { v7 as newId } from 'uuid'
import type { Clock } from '../../clock.ts'
import type { Database } from '../../db/database.ts'
import { findDeviceOwner } from '../../db/queries/accounts/users.ts'
import { deriveKey } from '../../keys.ts'
import { isSameSecret } from '../shared/secrets.ts'
import { isStorable } from '../shared/text.ts'

/** How long a device is recognized after its last sign-in. */
export const KNOWN_DEVICE_LIFETIME_MS = 365 * 24 * 60 * 60 * 1000

/** Maximum number of accounts per device. The account with the oldest sign-in is dropped. */
const MAX_ACCOUNTS = 5

/** A sign-in of an account on a device. */
interface KnownSignIn {
  userId: string
  deviceId: string
  /** Milliseconds since the epoch. */
  issuedAt: number
}

/**
 * Recognizes devices on which an account has signed in before, by a signed cookie. They have rate limits of their own, so that
 * attackers cannot lock the owner out. A password reset voids the cookies.
 */
export class KnownDevices {
  readonly #db: Database
  readonly #clock: Clock
  readonly #key: Buffer

  constructor({ db, clock, secretKeyBase }: { db: Database; clock: Clock; secretKeyBase: string }) {
    this.#db = db
    this.#clock = clock
    this.#key = deriveKey(secretKeyBase, 'device cookie')
  }

  /** Makes the cookie of a device after a sign-in. @param cookie the previous one. */
  remember(cookie: string | undefined, userId: string): string {
    const known = this.#read(cookie)
    const deviceId = known.find((one) => one.userId === userId)?.deviceId ?? newId()
    const others = known.filter((one) => one.userId !== userId)
    const all = [{ userId, deviceId, issuedAt: this.#clock.now() }, ...others].slice(0, MAX_ACCOUNTS)
    const text = Buffer.from(JSON.stringify(all)).toString('base64url')
    return `${text}.${this.#sign(text)}`
  }

  /** The id of the device if the account with this email has signed in on it before. */
  async recognize(cookie: string | undefined, email: string): Promise<string | undefined> {
    const known = this.#read(cookie)
    if (!known.length || !isStorable(email)) return undefined
    const owner = await findDeviceOwner(this.#db.orm, email.trim())
    const found = known.find(({ userId }) => userId === owner?.id)
    return found && found.issuedAt >= (owner?.validFrom?.getTime() ?? 0) ? found.deviceId : undefined
  }

  /** The sign-ins in a cookie with a valid signature; none for any other. */
  #read(cookie = ''): KnownSignIn[] {
    const [text = '', signature = ''] = cookie.split('.', 2)
    if (!isSameSecret(signature, this.#sign(text))) return []
    const signIns: KnownSignIn[] = JSON.parse(Buffer.from(text, 'base64url').toString())
    return signIns.filter(({ issuedAt }) => this.#clock.now() < issuedAt + KNOWN_DEVICE_LIFETIME_MS)
  }

  #sign(text: string): string {
    return createHmac('sha256', this.#key).update(text).digest('base64url')
  }
}
