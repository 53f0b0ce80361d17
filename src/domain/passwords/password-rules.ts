import { readFileSync } from 'node:fs'
import { characterCount, isStorable } from '../shared/text.ts'
import { isOversized, normalizePassword } from './passwords.ts'

const MIN_LENGTH = 12
const MAX_LENGTH = 128

/** Characters. A shorter local part occurs in good passwords by chance. */
const MIN_LOCAL_PART = 4

/** Resolves from `src/` and from `dist/`. */
const COMMON_PASSWORDS = new URL('../../../src/domain/passwords/common-passwords.txt', import.meta.url)

/** The problem of a new password of the account with this email; undefined if it is valid. */
export function passwordProblem(password: string, email: string): string | undefined {
  if (isOversized(password)) return `must have at most ${MAX_LENGTH} characters`
  if (!isStorable(password)) return 'contains characters that cannot be used'
  const normal = normalizePassword(password)
  const length = characterCount(normal)
  if (length < MIN_LENGTH) return `must have at least ${MIN_LENGTH} characters`
  if (length > MAX_LENGTH) return `must have at most ${MAX_LENGTH} characters`
  return guessableProblem(normal.toLowerCase(), normalizePassword(email).toLowerCase())
}

function guessableProblem(password: string, email: string): string | undefined {
  const localPart = email.slice(0, email.lastIndexOf('@'))
  if (password === email) return 'must not be the email address'
  if (characterCount(localPart) >= MIN_LOCAL_PART && password.includes(localPart)) {
    return 'must not contain the name in the email address'
  }
  if (isPattern(password) || commonPasswords().has(password)) return 'is too common and easy to guess'
  return undefined
}

/** Whether it repeats up to six characters, or is a part of the alphabet, the digits or the rows of a keyboard. */
function isPattern(password: string): boolean {
  return /^(.{1,6}?)\1+$/su.test(password) || RUNS.some((run) => run.includes(password))
}

const RUNS = ['1234567890', 'abcdefghijklmnopqrstuvwxyz', 'qwertyuiopasdfghjklzxcvbnm']
  .flatMap((run) => [run, [...run].reverse().join('')])
  .map((run) => run.repeat(MAX_LENGTH / run.length + 2))

let common: Set<string> | undefined

function commonPasswords(): Set<string> {
  common ??= new Set(readFileSync(COMMON_PASSWORDS, 'utf8').split('\n'))
  return common
}
