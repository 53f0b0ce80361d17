import { or, type SQL, sql } from 'drizzle-orm'
import { users } from '../../schema.ts'

/** Whether the email or the display name contains the text. */
export function hasPart(text: string): SQL | undefined {
  return or(contains(sql`${users.email}`, text), contains(sql`${users.displayName}`, text))
}

/** Whether the display name contains the text. Ignores names that contain an email, which could be found letter by letter. */
export function hasPartOfName(text: string): SQL {
  const { displayName } = users
  return contains(sql`case when ${displayName} like '%_@_%' then '' else ${displayName} end`, text)
}

/** Whether the username contains the text. */
export function hasPartOfUsername(text: string): SQL {
  return contains(sql`${users.username}`, text)
}

/**
 * Whether a name contains the text, ignoring case. A text too short for the trigram index matches only at the start.
 * @param name an expression of the index `users_search` and of a prefix index.
 */
function contains(name: SQL, text: string): SQL {
  const start = isIndexed(text) ? '%' : ''
  return sql`lower(${name}) like lower(${`${start}${escaped(text)}%`})`
}

/** Whether pg_trgm can extract a trigram from the text. */
function isIndexed(text: string): boolean {
  return [...text].length >= 3 && /[\p{L}\p{Nd}]{2}/u.test(text)
}

/** Escapes the wildcards of LIKE. */
function escaped(text: string): string {
  return text.replace(/[\\%_]/g, '\\$&')
}
