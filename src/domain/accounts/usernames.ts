import { customAlphabet } from 'nanoid'
import { characterCount, isStorable } from '../shared/text.ts'
import { looksLikeEmail, nameProblem } from './names.ts'

const LENGTH = { min: 3, max: 120 }

const SUFFIX = customAlphabet('abcdefghijklmnopqrstuvwxyz0123456789', 10)

/** Generates a username. */
export function newUsername(): string {
  return `user-${SUFFIX()}`
}

/** The problem of a username; undefined if it is valid. Expects trimmed text. */
export function usernameProblem(username: string): string | undefined {
  if (!isStorable(username) || /\p{Cc}/u.test(username)) return 'has characters that cannot be used'
  const { min, max } = LENGTH
  const length = characterCount(username)
  if (length < min || length > max) return `must have ${min} to ${max} characters`
  return looksLikeEmail(username) ? 'must not look like an email' : nameProblem(username)
}
