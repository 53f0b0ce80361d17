import type { Contract } from '../config.ts'
import type { Page } from '../domain/pagination.ts'

type Json = Record<string, unknown>

/** The one place that knows how the two contracts differ on the wire. */
export interface Dialect {
  /** `inserted_at`, `updated_at` and read times; `at` is a Date or milliseconds since the epoch. */
  time(at: Date | number): string
  /** A page as it appears inside a larger reply. */
  page<T>(page: Page<T>, view: (item: T) => unknown): Json
  /** A page that is a whole HTTP body; `name` is what it lists. */
  namedPage<T>(name: string, page: Page<T>, view: (item: T) => unknown): Json
  /** An encryption key read back from the database. */
  storedKey(jwk: Json, type: 'public' | 'private', userId: string): Json
}

/** A message shows the same moment twice, in every copy: the last one written is kept. */
let written = { at: 0, text: new Date(0).toISOString() }

/** RFC 3339, in UTC, with milliseconds. */
function isoTime(at: Date | number): string {
  const ms = Number(at)
  if (ms !== written.at) written = { at: ms, text: new Date(ms).toISOString() }
  return written.text
}

const documented: Dialect = {
  time: isoTime,
  page: (page, view) => ({ items: page.items.map(view), page_token: page.pageToken }),
  namedPage: (_name, page, view) => documented.page(page, view),
  storedKey: (jwk) => jwk,
}

const LEGACY_KEY_FIELDS = 'alg d dp dq e ext key_ops kty n p q qi'.split(' ')

const legacy: Dialect = {
  time: (at) => isoTime(at).replace('T', ' ').replace('Z', '000Z'),
  page: (page, view) => ({ items: page.items.map(view), page_token: page.pageToken ?? '' }),
  namedPage: (name, page, view) => ({ [name]: legacy.page(page, view) }),
  storedKey: (jwk, type, userId) => ({
    ...Object.fromEntries(LEGACY_KEY_FIELDS.map((field) => [field, jwk[field] ?? null])),
    type,
    user_id: userId,
  }),
}

const dialects: Record<Contract, Dialect> = { documented, legacy }

/** The dialect a deployment speaks. */
export function chooseDialect(contract: Contract): Dialect {
  return dialects[contract]
}
