import { beforeAll, expect, it } from 'vitest'
import {
  type Content,
  compareRevision,
  type KnownRevision,
  type MessageBody,
  openMessage,
  type RevisionVerdict,
  revisionOf,
} from '../../../src/client/encryption/index.ts'
import { contentOf, newAccount, received, seal, type TestAccount, userId } from './accounts.ts'

const GROUP = 'group'
let ann: TestAccount
let original: KnownRevision
let edit: KnownRevision
beforeAll(async () => {
  ann = await newAccount(1)
  original = await receive(contentOf(ann))
  edit = await receive(editOf(1))
})

it('keeps the place of the original in an edit', () => {
  expect(edit).toMatchObject({ counter: 1, previous: null, hash: original.hash, revision: 1 })
  expect(edit.revisionHash).not.toBe(original.revisionHash)
})

it('accepts rising revisions', async () => {
  expect(compareRevision(original, edit)).toBe('newer')
  expect(compareRevision(edit, await receive(editOf(5)))).toBe('newer')
})

it('accepts a deletion', async () => {
  expect(compareRevision(edit, await receive(editOf(2, {}, { type: 'deleted', body: {} })))).toBe('newer')
})

it('recognises what it received before', () => {
  expect(compareRevision(edit, edit)).toBe('same')
})

it.each<[string, RevisionVerdict, () => KnownRevision | Promise<KnownRevision>]>([
  ['an edit that was taken back', 'stale', () => original],
  ['another edit with the same revision', 'conflict', () => receive(editOf(1))],
  ['another message with the same id', 'not_an_edit', () => receive(contentOf(ann))],
  ['an edit of another original', 'not_an_edit', () => receive(editOf(2, { original: 'A'.repeat(43) }))],
  ['an edit by another device', 'not_an_edit', () => receive(editOf(2, { device: `${'B'.repeat(21)}A` }))],
  [
    'an edit at another place',
    'not_an_edit',
    () => receive(editOf(2, { counter: 2, previous: 'A'.repeat(43) })),
  ],
  [
    'an edit to another type',
    'not_an_edit',
    () => receive(editOf(2, {}, { type: 'reply', body: { to: userId(1), text: 'x' } })),
  ],
  ['the same message in another message group', 'wrong_group', () => ({ ...edit, group: 'other' })],
])('notices %s', async (_, verdict, next) => {
  expect(compareRevision(edit, await next())).toBe(verdict)
})

it('notices a second first revision', async () => {
  expect(compareRevision(original, await receive(contentOf(ann)))).toBe('conflict')
})

function editOf(revision: number, change: Partial<Content> = {}, message?: MessageBody): Content {
  return contentOf(ann, { revision, original: original.hash, ...change }, message)
}

async function receive(content: Content): Promise<KnownRevision> {
  const opened = await openMessage(received(await seal(ann, [ann], content), ann, ann))
  if (!opened.ok) throw new Error(opened.failure)
  return revisionOf(opened, GROUP)
}
