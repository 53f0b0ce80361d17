import Fastify from 'fastify'
import { type TSchema, Type } from 'typebox'
import { Compile } from 'typebox/compile'
import { describe, expect, it } from 'vitest'
import type { FieldErrors } from '../../src/errors.ts'
import { fieldErrors, type SchemaError } from '../../src/input/validation.ts'
import { PageSizeText, Text, Uuid } from '../../src/schemas/fields.ts'

const Person = Type.Object({
  name: Text({ minLength: 3, maxLength: 5 }),
  nick: Type.Optional(Type.Union([Text({ maxLength: 5 }), Type.Null()])),
  theme: Type.Optional(Type.Enum(['day', 'night'])),
  mode: Type.Optional(Type.Union([Type.Literal('a'), Type.Literal('b')])),
  age: Type.Optional(Type.Integer({ minimum: 1, maximum: 9 })),
  size: Type.Optional(Type.Number()),
  shy: Type.Optional(Type.Boolean()),
  tags: Type.Optional(Type.Array(Text(), { minItems: 1, maxItems: 2 })),
  keys: Type.Optional(Type.Object({ kty: Text() })),
  id: Type.Optional(Uuid()),
  page_size: Type.Optional(PageSizeText),
})

const CASES: [what: string, input: unknown, expected: FieldErrors][] = [
  ['a missing field', {}, { name: ['is required'] }],
  ['a number for text', { name: 5 }, { name: ['must be text'] }],
  ['text too short', { name: 'ab' }, { name: ['must have at least 3 characters'] }],
  ['text too long', { name: 'abcdef' }, { name: ['must have at most 5 characters'] }],
  ['text too long by code points', { name: '💙💙💙💙💙💙' }, { name: ['must have at most 5 characters'] }],
  ['a NUL', { name: 'a\0bc' }, { name: ['has characters that cannot be stored'] }],
  ['half a surrogate pair', { name: 'ab\ud83d' }, { name: ['has characters that cannot be stored'] }],
  ['the other half', { name: '\udc99ab' }, { name: ['has characters that cannot be stored'] }],
  ['neither of two types', { name: 'Ann', nick: 5 }, { nick: ['must be text or null'] }],
  [
    'the right one of two types',
    { name: 'Ann', nick: 'abcdef' },
    { nick: ['must have at most 5 characters'] },
  ],
  ['none of a list', { name: 'Ann', theme: 'x' }, { theme: ['must be one of day, night'] }],
  ['none of some literals', { name: 'Ann', mode: 'x' }, { mode: ['must be a or b'] }],
  ['a fraction', { name: 'Ann', age: 1.5 }, { age: ['must be a whole number'] }],
  ['a small number', { name: 'Ann', age: 0 }, { age: ['must be at least 1'] }],
  ['a large number', { name: 'Ann', age: 10 }, { age: ['must be at most 9'] }],
  ['text for a number', { name: 'Ann', size: '1' }, { size: ['must be a number'] }],
  ['text for a boolean', { name: 'Ann', shy: 'true' }, { shy: ['must be true or false'] }],
  ['text for a list', { name: 'Ann', tags: 'x' }, { tags: ['must be a list'] }],
  ['an empty list', { name: 'Ann', tags: [] }, { tags: ['must have at least 1 item'] }],
  ['a long list', { name: 'Ann', tags: ['a', 'b', 'c'] }, { tags: ['must have at most 2 items'] }],
  ['wrong items', { name: 'Ann', tags: [1, 2] }, { tags: ['has a value that must be text'] }],
  ['a field missing inside', { name: 'Ann', keys: {} }, { keys: ['lacks kty'] }],
  ['a wrong field inside', { name: 'Ann', keys: { kty: 1 } }, { keys: ['has a value that must be text'] }],
  ['no UUID', { name: 'Ann', id: 'x' }, { id: ['must be a UUID'] }],
  [
    'a UUID as a URN',
    { name: 'Ann', id: `urn:uuid:${'0'.repeat(8)}-0000-0000-0000-${'0'.repeat(12)}` },
    { id: ['must be a UUID'] },
  ],
  [
    'a page size of 0',
    { name: 'Ann', page_size: '0' },
    { page_size: ['must be a whole number from 1 to 100'] },
  ],
  [
    'a page size of 101',
    { name: 'Ann', page_size: '101' },
    { page_size: ['must be a whole number from 1 to 100'] },
  ],
  ['several fields', { name: 1, age: 'x' }, { name: ['must be text'], age: ['must be a whole number'] }],
  ['a list for an object', [], { body: ['must be an object'] }],
  ['null for an object', null, { body: ['must be an object'] }],
]

describe.each([
  ['Ajv', ajvErrors],
  ['the compiled check', compiledErrors],
])('%s', (_name, errorsOf) => {
  it.each(CASES)('says what is wrong with %s', async (_what, input, expected) => {
    expect(fieldErrors(await errorsOf(Person, input))).toEqual(expected)
  })

  it('finds nothing wrong with what is right', async () => {
    const right = {
      name: '💙💙💙💙💙',
      nick: null,
      theme: 'day',
      mode: 'b',
      age: 9,
      tags: [''],

      page_size: '100',
    }
    expect(await errorsOf(Person, right)).toEqual([])
  })
})

it('tells of a failed condition what failed in it, if that is known', () => {
  const condition = { keyword: 'if', instancePath: '/list', params: { failingKeyword: 'then' } }
  const item = { keyword: 'type', instancePath: '/list/0', params: { type: 'string' } }
  expect(fieldErrors([item, condition])).toEqual({ list: ['has a value that must be text'] })
  expect(fieldErrors([condition])).toEqual({ list: ['is not valid'] })
})

it('names the whole input as it is told to', async () => {
  expect(fieldErrors(compiledErrors(Person, 5), 'payload')).toEqual({ payload: ['must be an object'] })
})

it('reads field names that JSON Pointer escapes, and odd ones', () => {
  const error = (instancePath: string) => ({ keyword: 'type', instancePath, params: { type: 'string' } })
  const fields = fieldErrors([error('/a~1b'), error('/c~0d'), error('/__proto__')])
  expect(Object.entries(fields).map(([name]) => name)).toEqual(['a/b', 'c~d', '__proto__'])
})

it('is quick with a million errors', () => {
  const errors = Array.from({ length: 1_000_000 }, (_, index) => ({
    keyword: 'type',
    instancePath: `/tags/${index}`,
    params: { type: 'string' },
  }))
  expect(fieldErrors(errors)).toEqual({ tags: ['has a value that must be text'] })
})

function compiledErrors(schema: TSchema, input: unknown): SchemaError[] {
  return Compile(schema).Errors(input)
}

async function ajvErrors(schema: TSchema, input: unknown): Promise<SchemaError[]> {
  const app = Fastify({
    ajv: { customOptions: { coerceTypes: false, removeAdditional: false, allErrors: true } },
  })
  app.post('/', { schema: { body: schema }, attachValidation: true }, async (request) => {
    return request.validationError?.validation ?? []
  })
  const headers = { 'content-type': 'application/json' }
  return (await app.inject({ method: 'POST', url: '/', headers, payload: JSON.stringify(input) })).json()
}
