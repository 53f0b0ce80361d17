import { describe, expect, it } from 'vitest'
import { canonicalEmail, mailboxOf } from '../src/canonical-email.ts'

describe('the canonical form of an address', () => {
  it.each([
    ['has ASCII letters in lower case', 'Ann@Example.COM', 'ann@example.com'],
    ['is composed', 'rene\u0301@example.com', 'ren\u00e9@example.com'],
    ['has the domain in ASCII', 'ann@Bücher.example', 'ann@xn--bcher-kva.example'],
    ['has the domain in ASCII, of full-width letters', 'ann@ＥＸＡＭＰＬＥ.com', 'ann@example.com'],
    ['has other letters as they are', 'vİctımÉ@example.com', 'vİctımÉ@example.com'],
    ['has full-width letters as they are before the @', 'ａｎｎ@example.com', 'ａｎｎ@example.com'],
    ['keeps a domain that looks like a URL', 'ann@bücher.example/path', 'ann@bücher.example/path'],
    ['keeps a domain with escapes', 'ann@%61bü.example', 'ann@%61bü.example'],
    ['keeps a domain that IDNA refuses', 'ann@\u200dü.example', 'ann@\u200dü.example'],
    ['keeps a number as it is', 'ann@1.1', 'ann@1.1'],
    ['is the text itself without an @', 'Ännchen', 'Ännchen'],
    ['is defined for half a surrogate pair', '\ud800@example.com', '\ud800@example.com'],
  ])('%s', (_what, email, canonical) => {
    expect(canonicalEmail(email)).toBe(canonical)
    expect(canonicalEmail(canonical)).toBe(canonical)
  })
})

describe('the mailbox of an address', () => {
  it.each([
    ['Ann+news@Example.com', 'ann@example.com'],
    ['ann+a+b@example.com', 'ann@example.com'],
    ['ann@example.com', undefined],
    ['+ann@example.com', undefined],
    ['ann@exa+mple.com', undefined],
  ])('%s', (email, mailbox) => {
    expect(mailboxOf(email)).toBe(mailbox)
  })
})
