import type { Profile } from '../../db/queries/accounts/users.ts'
import { AppError, type FieldErrors } from '../../errors.ts'
import { characterCount, isStorable } from '../shared/text.ts'
import { looksLikeEmail, nameProblem } from './names.ts'

const MAX_EMAIL_LENGTH = 160
const DISPLAY_NAME_LENGTH = { min: 3, max: 20 }
const MAX_RECENTS = 100
const MAX_RECENT_LENGTH = 2048
const THEMES: readonly unknown[] = ['day', 'night', 'auto']
const WHO_CAN_ADD: readonly unknown[] = ['everyone', 'contacts', 'nobody']
const MAGNIFICATION_TENTHS = { min: 7, max: 14 }

const NOT_STORABLE = 'has characters that cannot be stored'

/** Excludes every character that separates, quotes or comments addresses (RFC 5322), so that an email has one recipient. */
const ADDRESS = /^[^\s\p{Cc}\p{Cf}@<>()[\]\\,;:"]+@[^\s\p{Cc}\p{Cf}@<>()[\]\\,;:"]+$/u

/** @throws AppError `validation_failed` with every field that has a problem; fields are property names. */
export function rejectFields(problems: Record<string, string | undefined>): void {
  const fields: FieldErrors = {}
  for (const [field, problem] of Object.entries(problems)) if (problem) fields[field] = [problem]
  if (Object.keys(fields).length) throw new AppError('validation_failed', { fields })
}

/** The problem of an email address; undefined if it is valid. Expects trimmed text. */
export function emailProblem(email: string): string | undefined {
  if (!isStorable(email)) return NOT_STORABLE
  if (email.length > 2 * MAX_EMAIL_LENGTH || characterCount(email) > MAX_EMAIL_LENGTH) {
    return `must have at most ${MAX_EMAIL_LENGTH} characters`
  }
  return ADDRESS.test(email) ? undefined : 'must be an email address'
}

/** Trims and checks an email address. @throws AppError `validation_failed`. */
export function readEmail(input: string): string {
  const email = input.trim()
  rejectFields({ email: emailProblem(email) })
  return email
}

/** The problem of a display name; undefined if it is valid. Expects trimmed text. The only email address it may be is the account's own. */
export function displayNameProblem(name: string, email: string): string | undefined {
  if (!isStorable(name)) return NOT_STORABLE
  const { min, max } = DISPLAY_NAME_LENGTH
  const length = characterCount(name)
  if (length < min || length > max) return `must have ${min} to ${max} characters`
  if (name === email) return undefined
  return looksLikeEmail(name) ? 'must not look like the email address of somebody else' : nameProblem(name)
}

/** The problems of new settings, by setting. */
export function profileProblems(changes: Partial<Profile>): Record<string, string | undefined> {
  const { theme, magnification, recents, whoCanAdd } = changes
  return {
    theme: theme === undefined || THEMES.includes(theme) ? undefined : `must be one of ${THEMES.join(', ')}`,
    magnification: magnification === undefined ? undefined : magnificationProblem(magnification),
    recents: recents === undefined ? undefined : recentsProblem(recents),
    whoCanAdd:
      whoCanAdd === undefined || WHO_CAN_ADD.includes(whoCanAdd)
        ? undefined
        : `must be one of ${WHO_CAN_ADD.join(', ')}`,
  }
}

function magnificationProblem(magnification: number): string | undefined {
  const { min, max } = MAGNIFICATION_TENTHS
  // 0.7 * 10 is not quite 7.
  const tenths = Math.round(magnification * 10)
  const isExact = tenths / 10 === magnification
  return isExact && tenths >= min && tenths <= max ? undefined : 'must be from 0.7 to 1.4, with one decimal'
}

function recentsProblem(recents: string[]): string | undefined {
  if (recents.length > MAX_RECENTS) return `must have at most ${MAX_RECENTS} items`
  if (recents.some((recent) => recent.length > MAX_RECENT_LENGTH)) {
    return `must have items of at most ${MAX_RECENT_LENGTH} characters`
  }
  return recents.every(isStorable) ? undefined : NOT_STORABLE
}
