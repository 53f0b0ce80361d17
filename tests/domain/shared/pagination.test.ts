import { expect, it } from 'vitest'
import { PageTokens } from '../../../src/domain/shared/pagination.ts'

const tokens = new PageTokens('a secret for tests, long enough')
const scope = ['messages', 'ann', 'conversation 1']

it('opens a token in the scope it was created for', () => {
  expect(tokens.open(scope, tokens.seal(scope, '42'))).toBe('42')
})

it('rejects another scope, another secret and an invalid token', () => {
  const token = tokens.seal(scope, '42')
  const refusal = expect.objectContaining({ code: 'invalid_page_token' })
  for (const other of [
    ['messages', 'bob', 'conversation 1'],
    ['messages', 'ann'],
    ['messages', 'annconversation', '1'],
  ]) {
    expect(() => tokens.open(other, token)).toThrow(refusal)
  }
  expect(() => new PageTokens('another secret for tests').open(scope, token)).toThrow(refusal)
  for (const text of ['', 'x', 'not a token', '🦦', `${token}=`, `${token} `]) {
    expect(() => tokens.open(scope, text)).toThrow(refusal)
  }
})

it('rejects a token with any changed character', () => {
  const token = tokens.seal(scope, '12345')
  for (let i = 0; i < token.length; i++) {
    for (const character of 'ABQgw-_09') {
      if (character === token[i]) continue
      const changed = token.slice(0, i) + character + token.slice(i + 1)
      expect(() => tokens.open(scope, changed)).toThrow(
        expect.objectContaining({ code: 'invalid_page_token' }),
      )
    }
  }
})
