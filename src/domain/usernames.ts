import { customAlphabet } from 'nanoid'
import { characterCount, isStorable } from './text.ts'

const LENGTH = { min: 3, max: 120 }

const SUFFIX = customAlphabet('abcdefghijklmnopqrstuvwxyz0123456789', 10)

/** A username for who has chosen none. */
export function newUsername(): string {
  return `user-${SUFFIX()}`
}

/** What is wrong with a username, which is trimmed already. */
export function usernameProblem(username: string): string | undefined {
  if (!isStorable(username) || /\p{Cc}/u.test(username)) return 'has characters that cannot be used'
  const { min, max } = LENGTH
  const length = characterCount(username)
  return length >= min && length <= max ? undefined : `must have ${min} to ${max} characters`
}
