import { timingSafeEqual } from 'node:crypto'
import { HOTP, Secret, TOTP } from 'otpauth'

/** What every authenticator app knows (RFC 6238). */
const ALGORITHM = 'SHA1'
const DIGITS = 6
const PERIOD_MS = 30_000
/** Clocks of phones are a little off, and typing takes time. */
const STEPS_OFF = [-1, 0, 1]

/** A longer name would not fit into a QR code. */
const LABEL_LENGTH = 80

/** A new secret to share with an authenticator app: 160 bits, base32. */
export function newTotpSecret(): string {
  return new Secret({ size: 20 }).base32
}

/** What a QR code tells an authenticator app (Key Uri Format). */
export function totpUri(secret: string, { issuer, email }: { issuer: string; email: string }): string {
  const label = [...email].slice(0, LABEL_LENGTH).join('')
  const period = PERIOD_MS / 1000
  return new TOTP({ issuer, label, secret, algorithm: ALGORITHM, digits: DIGITS, period }).toString()
}

/**
 * The time step whose code this is, among those around now and after `lastStep`; undefined when it is none's. Takes the
 * same time for any code and secret.
 */
export function matchingStep(
  secret: string,
  code: string,
  { now, lastStep }: { now: number; lastStep: number },
): number | undefined {
  const key = Secret.fromBase32(secret)
  const current = Math.floor(now / PERIOD_MS)
  const typed = code.replace(/\s/g, '')
  const matching = STEPS_OFF.map((off) => current + off).filter((counter) =>
    isSame(HOTP.generate({ secret: key, algorithm: ALGORITHM, digits: DIGITS, counter }), typed),
  )
  return matching.find((step) => step > lastStep)
}

function isSame(code: string, typed: string): boolean {
  const [expected, given] = [Buffer.from(code), Buffer.from(typed)]
  return expected.length === given.length && timingSafeEqual(expected, given)
}
