import { describe, expect, it } from 'vitest'
import { passwordProblem } from '../../../src/domain/passwords/password-rules.ts'
import { Passwords } from '../../../src/domain/passwords/passwords.ts'
import { cheapPasswords } from '../../support/passwords.ts'

const EMAIL = 'marianne@example.com'
const GOOD = 'plum orchard 7 rain'

describe('a new password', () => {
  it.each([
    ['twelve characters', 'kzpqvmwhtxbr'],
    ['128 characters', `${'kz9 '.repeat(31)}vmwh`],
    ['a sentence', GOOD],
    ['twelve characters outside the basic plane', '🍐🌧🚲🪁🎻🦊🌵🧭🕯🪴🥁🛶'],
    ['what the documentation uses', 'VerySecurePassword1!'],
  ])('may be %s', (_name, password) => {
    expect(passwordProblem(password, EMAIL)).toBeUndefined()
  })

  it.each([
    ['eleven characters', 'kzpqvmwhtxb', /at least 12/],
    ['129 characters', `${'kz9 '.repeat(32)}v`, /at most 128/],
    ['a million characters', 'kz9 '.repeat(250_000), /at most 128/],
    ['twelve characters that normalise to six', 'e\u0301o\u0301a\u0301i\u0301u\u0301y\u0301', /at least 12/],
    ['half a surrogate pair', `${GOOD}\ud800`, /cannot be used/],
    ['NUL', `${GOOD}\0`, /cannot be used/],
    ['the email', EMAIL, /email address/],
    ['the email in capitals', EMAIL.toUpperCase(), /email address/],
    ['the name in the email', 'xx MariAnne 77 zz', /name in the email/],
    ['a common one', '1qaz2wsx3edc', /too common/],
    ['a common one in capitals', 'PasswordPassword', /too common/],
    ['a common one in full-width characters', 'ｐａｓｓｗｏｒｄ１２３４', /too common/],
    ['one character', 'ZZZZZZZZZZZZZZ', /too common/],
    ['a short word again and again', 'rainyrainyrainy', /too common/],
    ['the alphabet', 'defghijklmnopqr', /too common/],
    ['the alphabet backwards', 'zyxwvutsrqponm', /too common/],
    ['the digits', '5678901234567', /too common/],
    ['keys in a row', 'asdfghjklzxcvb', /too common/],
  ])('must not be or contain %s', (_name, password, problem) => {
    expect(passwordProblem(password, EMAIL)).toMatch(problem)
  })

  it('may contain a local part of fewer than four characters', () => {
    expect(passwordProblem('plum ann orchard', 'ann@example.com')).toBeUndefined()
  })
})

describe('hashing', () => {
  it('uses argon2id with 19 MiB, two passes and one thread', async () => {
    expect(await new Passwords().hash(GOOD)).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/)
  })

  it('verifies the password, and no other', async () => {
    const passwords = new Passwords()
    const hash = await passwords.hash(GOOD)
    expect(await passwords.verify(hash, GOOD)).toBe(true)
    expect(await passwords.verify(hash, `${GOOD} `)).toBe(false)
  })

  it('verifies it however its characters are composed', async () => {
    const passwords = new Passwords()
    const hash = await passwords.hash('caf\u00e9 caf\u00e9 caf\u00e9')
    expect(await passwords.verify(hash, 'cafe\u0301 cafe\u0301 cafe\u0301')).toBe(true)
  })

  it.each([null, undefined])('verifies nothing against the hash %s', async (hash) => {
    expect(await new Passwords().verify(hash, GOOD)).toBe(false)
  })

  it('rejects a password that is too long', async () => {
    const passwords = new Passwords()
    expect(await passwords.verify(await passwords.hash(''), 'a'.repeat(1_000_000))).toBe(false)
  })

  it.each([1, 2])(
    'is refused as busy beyond %i at work and 256 in the queue, and goes on for the others',
    async (maxConcurrent) => {
      const passwords = cheapPasswords({ maxConcurrent })
      const attempts = Array.from({ length: 258 + maxConcurrent }, () => passwords.verify(null, GOOD))
      const results = await Promise.allSettled(attempts)
      const refused = results.filter((result) => result.status === 'rejected')
      expect(refused.map(({ reason }) => [reason.code, reason.retryAfterMs > 0])).toEqual([
        ['busy', true],
        ['busy', true],
      ])
      expect(await passwords.verify(null, GOOD)).toBe(false)
    },
  )
})
