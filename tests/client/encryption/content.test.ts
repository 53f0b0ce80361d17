import fc from 'fast-check'
import { expect, it } from 'vitest'
import { cleanFileName, cleanMediaType, parseContent } from '../../../src/client/encryption/index.ts'

const UUID = '0190a5f0-0000-7000-8000-000000000001'
const HASH = 'A'.repeat(43)
const FILE = {
  id: UUID,
  name: 'plan.pdf',
  type: 'application/pdf',
  size: 3,
  key: HASH,
  nonce: 'AAAAAAAAAA',
  digest: HASH,
}
const TEXT = {
  v: 1,
  type: 'text',
  conversation: UUID,
  sender: UUID,
  device: 'A'.repeat(22),
  counter: 1,
  previous: null,
  id: UUID,
  revision: 0,
  sent_at: '2026-01-02T03:04:05.678Z',
  heads: HASH,
  body: { text: 'Hello' },
}

function nested(levels: number): object {
  return JSON.parse(`${'{"a":'.repeat(levels - 1)}{}${'}'.repeat(levels - 1)}`)
}

it.each<[string, Record<string, unknown>]>([
  ['text', { text: '' }],
  ['reply', { to: UUID, text: 'Yes' }],
  ['reaction', { to: UUID, emoji: '👍🏽' }],
  ['attachment', { text: '', files: [FILE] }],
])('reads a message of type %s', (type, body) => {
  expect(parseContent({ ...TEXT, type, body })).toMatchObject({ known: true, type, body })
})

it('reads edits and deletions', () => {
  const edit = { ...TEXT, counter: 2, previous: HASH, revision: 1, original: HASH }
  expect(parseContent(edit)).toMatchObject({ revision: 1, original: HASH })
  expect(parseContent({ ...edit, type: 'deleted', body: { text: 'x' } })).toMatchObject({
    type: 'deleted',
    body: {},
  })
})

it('drops members that it does not know', () => {
  expect(parseContent({ ...TEXT, more: 1, body: { text: 'Hello', more: 1 } })).toEqual(parseContent(TEXT))
})

it('keeps the body of a type that it does not know', () => {
  for (const type of ['poll', 'constructor']) {
    const content = parseContent({ ...TEXT, type, body: { question: 'When?' } })
    expect(content).toMatchObject({ known: false, type, body: { question: 'When?' } })
  }
})

it.each<[string, Record<string, unknown>]>([
  ['another version', { v: 2 }],
  ['no type', { type: undefined }],
  ['a type with a space', { type: 'a b' }],
  ['a conversation id in upper case', { conversation: UUID.toUpperCase() }],
  ['a sender that is no UUID', { sender: 'ann' }],
  ['a short device id', { device: 'A'.repeat(20) }],
  ['the counter 0', { counter: 0 }],
  ['a fractional counter', { counter: 1.5 }],
  ['a counter above 2^53', { counter: 2 ** 53, previous: HASH }],
  ['a first message with a previous one', { previous: HASH }],
  ['a second message without a previous one', { counter: 2 }],
  ['a short hash', { counter: 2, previous: 'A'.repeat(42) }],
  ['a negative revision', { revision: -1 }],
  ['an edit without its original', { revision: 1 }],
  ['an original in a message that is no edit', { original: HASH }],
  ['a deletion as the first revision', { type: 'deleted', body: {} }],
  ['a time with an offset', { sent_at: '2026-01-02T03:04:05.678+01:00' }],
  ['a time that does not exist', { sent_at: '2026-13-02T03:04:05.678Z' }],
  ['no heads', { heads: null }],
  ['a body that is an array', { body: [] }],
  ['a body of 17 levels', { type: 'poll', body: nested(17) }],
  ['a body of 10,000 levels', { type: 'poll', body: nested(10_000) }],
  ['text that is a number', { body: { text: 1 } }],
  ['text with an unpaired surrogate', { body: { text: '\udc00' } }],
  ['a reaction of a sentence', { type: 'reaction', body: { to: UUID, emoji: 'x'.repeat(65) } }],
  ['a reply to nothing', { type: 'reply', body: { text: 'Yes' } }],
  ['no files', { type: 'attachment', body: { text: '', files: [] } }],
  ['17 files', { type: 'attachment', body: { text: '', files: Array(17).fill(FILE) } }],
  ['the same file twice', { type: 'attachment', body: { text: '', files: [FILE, FILE] } }],
  ['a file with a path', { type: 'attachment', body: { text: '', files: [{ ...FILE, name: '../a' }] } }],
  [
    'a file name that hides its ending',
    { type: 'attachment', body: { text: '', files: [{ ...FILE, name: 'a\u202efdp.exe' }] } },
  ],
  [
    'a file type with a line break',
    { type: 'attachment', body: { text: '', files: [{ ...FILE, type: 'a/b\r\n' }] } },
  ],
  ['a file of negative size', { type: 'attachment', body: { text: '', files: [{ ...FILE, size: -1 }] } }],
  ['a file of 2 TiB', { type: 'attachment', body: { text: '', files: [{ ...FILE, size: 2 ** 41 }] } }],
  ['a file with a short key', { type: 'attachment', body: { text: '', files: [{ ...FILE, key: 'AAAA' }] } }],
])('refuses content with %s', (_, change) => {
  expect(parseContent({ ...TEXT, ...change })).toBeUndefined()
})

it('makes nothing of any other JSON', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.constantFrom(...Object.keys(TEXT)), fc.jsonValue()), (change) => {
      const content = parseContent({ ...TEXT, ...change })
      if (content) expect(parseContent({ v: 1, ...content })).toEqual(content)
    }),
  )
})

it('cleans names of files so that a receiver accepts them', () => {
  expect(cleanFileName('C:\\Users\\ann\\plan.pdf')).toBe('plan.pdf')
  expect(cleanFileName('/etc/passwd')).toBe('passwd')
  expect(cleanFileName('..')).toBe('file')
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 400 }), (name) => {
      const files = [{ ...FILE, name: cleanFileName(name) }]
      expect(parseContent({ ...TEXT, type: 'attachment', body: { text: '', files } })).toBeDefined()
    }),
  )
})

it.each([
  ['text/plain; charset=utf-8', 'text/plain'],
  ['Image/SVG+XML', 'image/svg+xml'],
  ['', 'application/octet-stream'],
  ['pdf', 'application/octet-stream'],
])('reduces the media type %j to %s', (type, expected) => {
  expect(cleanMediaType(type)).toBe(expected)
})
