import { createHash, randomInt } from 'node:crypto'

/** Crockford's Base32: no letters that look like digits. */
const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz'
const LOOK_ALIKES: Record<string, string> = { o: '0', i: '1', l: '1' }

const CODE_COUNT = 10
const GROUP_COUNT = 3
const GROUP_LENGTH = 5
const CODE = new RegExp(`^[${ALPHABET}]{${GROUP_COUNT * GROUP_LENGTH}}$`)

/** New recovery codes of 75 random bits each: enough that a plain SHA-256 of them cannot be reversed. */
export function newRecoveryCodes(): string[] {
  return Array.from({ length: CODE_COUNT }, () => Array.from({ length: GROUP_COUNT }, newGroup).join('-'))
}

/** The stored hash of a recovery code, which may be entered in any spelling; undefined if the text is not a recovery code. */
export function recoveryCodeHash(userId: string, input: string): Uint8Array | undefined {
  const code = input
    .replace(/[\s-]/g, '')
    .toLowerCase()
    .replace(/[oil]/g, (letter) => LOOK_ALIKES[letter]!)
  if (!CODE.test(code)) return undefined
  return createHash('sha256').update(`${userId} ${code}`).digest()
}

/** The hashes of new codes. */
export function recoveryCodeHashes(userId: string, codes: string[]): Uint8Array[] {
  return codes.map((code) => recoveryCodeHash(userId, code)!)
}

function newGroup(): string {
  return Array.from({ length: GROUP_LENGTH }, () => ALPHABET[randomInt(ALPHABET.length)]).join('')
}
