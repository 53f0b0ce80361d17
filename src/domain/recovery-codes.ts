import { createHash, randomInt } from 'node:crypto'

/** Base32 as Crockford wrote it: without letters that look like digits or spell words. */
const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz'
const LOOK_ALIKES: Record<string, string> = { o: '0', i: '1', l: '1' }

const CODES = 10
const GROUPS = 3
const GROUP_LENGTH = 5
const CODE = new RegExp(`^[${ALPHABET}]{${GROUPS * GROUP_LENGTH}}$`)

/** New codes to be kept on paper: 75 bits each, so that their plain hashes tell nobody what they are. */
export function newRecoveryCodes(): string[] {
  return Array.from({ length: CODES }, () => Array.from({ length: GROUPS }, newGroup).join('-'))
}

/** What is stored of a user's code, however it is typed; undefined for what cannot be one. */
export function recoveryCodeHash(userId: string, typed: string): Uint8Array | undefined {
  const code = typed
    .replace(/[\s-]/g, '')
    .toLowerCase()
    .replace(/[oil]/g, (letter) => LOOK_ALIKES[letter]!)
  if (!CODE.test(code)) return undefined
  return createHash('sha256').update(`${userId} ${code}`).digest()
}

function newGroup(): string {
  return Array.from({ length: GROUP_LENGTH }, () => ALPHABET[randomInt(ALPHABET.length)]).join('')
}
