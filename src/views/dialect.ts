import type { Contract } from '../config/config.ts'
import type { Theme } from '../domain/accounts/accounts.ts'
import type { Page } from '../domain/shared/pagination.ts'

type Json = Record<string, unknown>

/** The differences between the two contracts on the wire. */
export interface Dialect {
  /** `inserted_at`, `updated_at` and read times; `at` is a Date, or milliseconds since the epoch with a fraction. */
  time(at: Date | number): string
  /** A page inside a larger reply. */
  page<T, View>(page: Page<T>, view: (item: T) => View): { items: View[]; page_token: string | null }
  /** A page as a complete HTTP body. The legacy dialect wraps it under the key `name`. */
  namedPage<T>(name: string, page: Page<T>, view: (item: T) => unknown): Json
  /** The theme of new accounts. */
  readonly defaultTheme: Theme
  /** An encryption key read back from the database. */
  storedKey(jwk: Json, type: 'public' | 'private', userId: string): Json
}

/** The latest formatted time: every copy of a message has the same time twice. */
let latest = { at: 0, text: new Date(0).toISOString() }

/** RFC 3339, in UTC, with milliseconds. */
function isoTime(at: Date | number): string {
  const ms = Math.floor(Number(at))
  if (ms !== latest.at) latest = { at: ms, text: new Date(ms).toISOString() }
  return latest.text
}

const documented: Dialect = {
  time: isoTime,
  page: (page, view) => ({ items: page.items.map(view), page_token: page.pageToken }),
  namedPage: (_name, page, view) => documented.page(page, view),
  defaultTheme: 'day',
  storedKey: (jwk) => jwk,
}

/** The three digits after the milliseconds. */
function microsecondsOf(ms: number): string {
  return String(Math.round((ms - Math.floor(ms)) * 1_000)).padStart(3, '0')
}

const LEGACY_KEY_FIELDS = 'alg d dp dq e ext key_ops kty n p q qi'.split(' ')

const legacy: Dialect = {
  time: (at) =>
    isoTime(at)
      .replace('T', ' ')
      .replace('Z', `${microsecondsOf(Number(at))}Z`),
  page: (page, view) => ({ items: page.items.map(view), page_token: page.pageToken ?? '' }),
  namedPage: (name, page, view) => ({ [name]: legacy.page(page, view) }),
  defaultTheme: 'auto',
  storedKey: (jwk, type, userId) => ({
    ...Object.fromEntries(LEGACY_KEY_FIELDS.map((field) => [field, jwk[field] ?? null])),
    type,
    user_id: userId,
  }),
}

const dialects: Record<Contract, Dialect> = { documented, legacy }

/** Returns the dialect of a contract. */
export function chooseDialect(contract: Contract): Dialect {
  return dialects[contract]
}
