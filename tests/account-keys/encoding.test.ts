import fc from 'fast-check'
import { expect, it } from 'vitest'
import { canonicalJson, decodeBase64url, decodeText, encodeBase64url } from '../../src/account-keys/index.ts'

it('decodes what it encoded', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
      expect(decodeBase64url(encodeBase64url(bytes))).toEqual(bytes)
    }),
  )
})

it('accepts only one spelling of bytes in base64url', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(...'AQgwBz09-_=+/ \n'), maxLength: 9 }), (text) => {
      const bytes = decodeBase64url(text)
      if (bytes) expect(encodeBase64url(bytes)).toBe(text)
    }),
  )
})

it('refuses bytes that are not UTF-8', () => {
  expect(decodeText(Uint8Array.of(0x68, 0x69))).toBe('hi')
  expect(decodeText(Uint8Array.of(0xff))).toBeUndefined()
})

it('writes the members of nested objects in the order of their names', () => {
  expect(canonicalJson({ b: [{ d: 1, c: null }], a: 'x' })).toBe('{"a":"x","b":[{"c":null,"d":1}]}')
})
