import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Database } from '../../src/db/database.ts'
import { openApi, type TestApi } from '../support/api.ts'
import { openTestDatabase } from '../support/database.ts'
import { ENDPOINTS, type Endpoint, lineOf } from './endpoints.ts'

let db: Database
let api: TestApi
let callers = 0
beforeAll(async () => {
  db = await openTestDatabase()
  // The limits are off, or the odder half of the inputs would be refused before it is looked at.
  api = await openApi(db, { rateLimits: false })
})
afterAll(async () => {
  await api.app.close()
  await db.close()
})

const ODD_VALUES: [what: string, value: unknown][] = [
  ['null', null],
  ['true', true],
  ['zero', 0],
  ['a huge number', 1e308],
  ['a fraction', -0.5],
  ['empty text', ''],
  ['blanks', ' \t\n '],
  ['a NUL', 'a\0b'],
  ['half a surrogate pair', 'a\ud800b'],
  ['the other half', '\udfff'],
  ['a non-character', '\uffff\ufffe'],
  ['emails that change direction', '\u202eabc'],
  ['long text', 'x'.repeat(100_000)],
  ['text that grows when normalized', 'ﷺ'.repeat(50_000)],
  ['an email with a NUL', 'a\0@example.com'],
  ['SQL', `'); drop table users; --`],
  ['wildcards', '%_\\'],
  ['a date', '2024-13-45T99:99:99Z'],
  ['an infinity', 'Infinity'],
  ['a URN', 'urn:uuid:01890000-0000-7000-8000-000000000000'],
  ['braces', '{01890000-0000-7000-8000-000000000000}'],
  ['an empty list', []],
  ['a list', ['x']],
  ['nested lists', [[[[]]]]],
  ['an object', { toString: 'x', length: -1 }],
  ['an object like an array', { 0: 'x', length: 1 }],
]

const ODD_BODIES: [what: string, body: string][] = [
  ['nothing', ''],
  ['blanks', '   '],
  ['null', 'null'],
  ['a number', '1'],
  ['a string', '"x"'],
  ['a list', '[{}]'],
  ['half an object', '{"email":'],
  ['two objects', '{}{}'],
  ['NaN', '{"email":NaN}'],
  ['a byte order mark', '\ufeff{}'],
  ['__proto__', '{"__proto__":{"email":"x","token":"x"}}'],
  ['constructor', '{"constructor":{"prototype":{"token":"x"}}}'],
  ['duplicate keys', '{"token":"x","token":5,"email":"a@example.com","email":[]}'],
  ['deep nesting', `{"token":${'['.repeat(100_000)}${']'.repeat(100_000)}}`],
  ['a megabyte of text', `{"token":"${'x'.repeat(1_000_000)}","email":"${'x'.repeat(40_000)}"}`],
  ['more than a megabyte', `{"token":"${'x'.repeat(1_100_000)}"}`],
  ['half a million wrong items', `{"recents":[${Array(500_000).fill(1).join()}]}`],
]

const ODD_TEXTS = [
  '',
  '%00',
  '%ED%A0%80',
  '%F0%9F',
  '%FF',
  '%',
  '%zz',
  'a%0Ab',
  '..%2f..%2f',
  '%27%3B--',
  'undefined',
  'x'.repeat(8_000),
  'urn:uuid:01890000-0000-7000-8000-000000000000',
  '01890000-0000-7000-8000-00000000000g',
]

const ODD_HEADERS = [
  ['authorization', 'Bearer'],
  ['authorization', `Bearer ${'x'.repeat(10_000)}`],
  ['authorization', 'Basic eA=='],
  ['authorization', 'Bearer a.b.c'],
  ['authorization', 'Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.'],
  ['user-agent', '\u00ff\u0001'.repeat(1_000)],
  ['x-forwarded-for', 'not an address, ::::'],
  ['origin', 'null'],
  ['content-type', 'application/json; charset=utf-16'],
  ['content-type', ''],
] as const

const BODY_ENDPOINTS = ENDPOINTS.filter(({ body }) => body)
const QUERY_ENDPOINTS = ENDPOINTS.filter(({ query }) => query)
const PARAMETER_ENDPOINTS = ENDPOINTS.filter(({ line }) => line.includes(':'))

describe.each(BODY_ENDPOINTS)('$line', (endpoint) => {
  it('never fails for a field of any type and content', async () => {
    const caller = await newCaller()
    for (const field of Object.keys(endpoint.body!)) {
      for (const [what, value] of ODD_VALUES) {
        const body = { ...endpoint.body, [field]: value }
        expect(
          await statusOf(caller, endpoint, { body: JSON.stringify(body) }),
          `${field}: ${what}`,
        ).toBeLessThan(500)
      }
      const { [field]: _, ...rest } = endpoint.body!
      expect(await statusOf(caller, endpoint, { body: JSON.stringify(rest) }), `no ${field}`).toBeLessThan(
        500,
      )
    }
  })

  it('never fails for any body', async () => {
    const caller = await newCaller()
    for (const [what, body] of ODD_BODIES) {
      expect(await statusOf(caller, endpoint, { body }), what).toBeLessThan(500)
    }
  })
})

describe.each(QUERY_ENDPOINTS)('the query of $line', (endpoint) => {
  it('may have any value without a failure', async () => {
    const caller = await newCaller()
    for (const field of [...Object.keys(endpoint.query!), '__proto__', 'other']) {
      for (const odd of ODD_TEXTS) {
        for (const query of [
          `${field}=${odd}`,
          `${field}=${odd}&${field}=x`,
          `${field}[]=${odd}`,
          `${field}[x]=${odd}`,
        ]) {
          const rest = new URLSearchParams({ ...endpoint.query, [field]: '' })
          rest.delete(field)
          const line = `${lineOf(endpoint)}?${rest}&${query}`
          expect(await statusOf(caller, endpoint, { line }), query.slice(0, 80)).toBeLessThan(500)
        }
      }
    }
  })
})

describe.each(PARAMETER_ENDPOINTS)('the parameter of $line', (endpoint) => {
  it('may have any value without a failure', async () => {
    const caller = await newCaller()
    for (const odd of ODD_TEXTS) {
      const line = lineOf(endpoint, odd)
      expect(await statusOf(caller, endpoint, { line }), odd.slice(0, 80)).toBeLessThan(500)
    }
  })
})

it.each(ENDPOINTS)('$line never fails for unusual headers', async (endpoint) => {
  const caller = await newCaller()
  const body = endpoint.body && JSON.stringify(endpoint.body)
  for (const [name, value] of ODD_HEADERS) {
    const headers = { [name]: value }
    expect(await statusOf(caller, endpoint, { body, headers }), `${name}: ${value}`).toBeLessThan(500)
  }
})

/** A user of the test's own. @returns the id. */
async function newCaller(): Promise<string> {
  const { user } = await api.register(`ann${++callers}`)
  return user.id
}

/** Sends a request, signed in anew where that is needed: the one before may have ended the session. */
async function statusOf(
  userId: string,
  endpoint: Endpoint,
  {
    line = lineOf(endpoint),
    body,
    headers = {},
  }: { line?: string; body?: string | undefined; headers?: Record<string, string> },
): Promise<number> {
  const { accessToken } = await api.services.sessions.open(userId, {})
  const response = await api.send(line, {
    body,
    headers: {
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...(endpoint.isPrivate && { authorization: `Bearer ${accessToken}` }),
      ...headers,
    },
  })
  if (response.statusCode >= 400) expect(response.json()).toHaveProperty('error.code')
  if (endpoint.isPrivate && !headers.authorization) expect(response.statusCode).not.toBe(401)
  return response.statusCode
}
