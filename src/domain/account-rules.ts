import type { Profile } from '../db/queries/users.ts'
import { AppError, type FieldErrors } from '../errors.ts'
import { characterCount, isStorable } from './text.ts'

const EMAIL_LENGTH = 160
const NAME_LENGTH = { min: 3, max: 20 }
const RECENTS = { count: 100, length: 2048 }
const THEMES: readonly unknown[] = ['day', 'night', 'auto']
const MAGNIFICATION_TENTHS = { min: 7, max: 14 }

const UNSTORABLE = 'has characters that cannot be stored'

/** No character that separates, quotes or comments addresses (RFC 5322): a letter to one must not reach another. */
const ADDRESS = /^[^\s\p{Cc}\p{Cf}@<>()[\]\\,;:"]+@[^\s\p{Cc}\p{Cf}@<>()[\]\\,;:"]+$/u

/** Throws a 422 that names every field with a problem; does nothing when there is none. */
export function refuse(problems: Record<string, string | undefined>): void {
  const fields: FieldErrors = {}
  for (const [field, problem] of Object.entries(problems)) if (problem) fields[field] = [problem]
  if (Object.keys(fields).length) throw new AppError('validation_failed', { fields })
}

export function emailProblem(email: string): string | undefined {
  if (!isStorable(email)) return UNSTORABLE
  if (email.length > 2 * EMAIL_LENGTH || characterCount(email) > EMAIL_LENGTH) {
    return `must have at most ${EMAIL_LENGTH} characters`
  }
  return ADDRESS.test(email) ? undefined : 'must be an email address'
}

/** The address as an account may have it. @throws AppError `validation_failed`. */
export function readEmail(typed: string): string {
  const email = typed.trim()
  refuse({ email: emailProblem(email) })
  return email
}

/** The name is trimmed already. */
export function displayNameProblem(name: string): string | undefined {
  if (!isStorable(name)) return UNSTORABLE
  const { min, max } = NAME_LENGTH
  const length = characterCount(name)
  return length >= min && length <= max ? undefined : `must have ${min} to ${max} characters`
}

/** What is wrong with new settings, by field. */
export function profileProblems(changes: Partial<Profile>): Record<string, string | undefined> {
  const { theme, magnification, recents } = changes
  return {
    theme: theme === undefined || THEMES.includes(theme) ? undefined : `must be one of ${THEMES.join(', ')}`,
    magnification: magnification === undefined ? undefined : magnificationProblem(magnification),
    recents: recents === undefined ? undefined : recentsProblem(recents),
  }
}

function magnificationProblem(magnification: number): string | undefined {
  const { min, max } = MAGNIFICATION_TENTHS
  // 0.7 * 10 is not quite 7.
  const tenths = Math.round(magnification * 10)
  const isExact = tenths / 10 === magnification
  return isExact && tenths >= min && tenths <= max ? undefined : 'must be from 0.7 to 1.4, in tenths'
}

function recentsProblem(recents: string[]): string | undefined {
  if (recents.length > RECENTS.count) return `must have at most ${RECENTS.count} items`
  if (recents.some((recent) => recent.length > RECENTS.length)) {
    return `must have items of at most ${RECENTS.length} characters`
  }
  return recents.every(isStorable) ? undefined : UNSTORABLE
}
