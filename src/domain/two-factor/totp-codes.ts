import { timingSafeEqual } from 'node:crypto'
import { HOTP, Secret, TOTP } from 'otpauth'

/** The parameters that every authenticator app supports (RFC 6238). */
const ALGORITHM = 'SHA1'
const DIGITS = 6
const PERIOD_MS = 30_000
/** Tolerates clock drift and typing time. */
const STEP_OFFSETS = [-1, 0, 1]

/** Characters of the account name that fit into a QR code. */
const MAX_LABEL_LENGTH = 80

/** A new secret for an authenticator app: 160 bits, base32. */
export function newTotpSecret(): string {
  return new Secret({ size: 20 }).base32
}

/** The `otpauth://` URI in a QR code (Key Uri Format). */
export function totpUri(secret: string, { issuer, email }: { issuer: string; email: string }): string {
  const label = [...email].slice(0, MAX_LABEL_LENGTH).join('')
  const period = PERIOD_MS / 1000
  return new TOTP({ issuer, label, secret, algorithm: ALGORITHM, digits: DIGITS, period }).toString()
}

/**
 * Finds the time step of a code, among those around `now` and after `lastStep`; undefined when none matches. Takes the same time
 * for any code and secret.
 */
export function matchingStep(
  secret: string,
  code: string,
  { now, lastStep }: { now: number; lastStep: number },
): number | undefined {
  const key = Secret.fromBase32(secret)
  const current = Math.floor(now / PERIOD_MS)
  const entered = code.replace(/\s/g, '')
  const matching = STEP_OFFSETS.map((offset) => current + offset).filter((counter) =>
    isSame(HOTP.generate({ secret: key, algorithm: ALGORITHM, digits: DIGITS, counter }), entered),
  )
  return matching.find((step) => step > lastStep)
}

function isSame(code: string, typed: string): boolean {
  const [expected, given] = [Buffer.from(code), Buffer.from(typed)]
  return expected.length === given.length && timingSafeEqual(expected, given)
}
