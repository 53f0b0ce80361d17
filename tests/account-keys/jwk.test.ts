import { calculateJwkThumbprint, exportJWK, generateKeyPair } from 'jose'
import { expect, it } from 'vitest'
import {
  accountThumbprint,
  KeyError,
  keyThumbprint,
  parsePrivateJwk,
  parsePublicJwk,
} from '../../src/account-keys/index.ts'

/** The key of RFC 7517, appendix A.1. */
const KEY = {
  kty: 'EC',
  crv: 'P-256',
  x: 'MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4',
  y: '4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM',
}
const D = '870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE'

it('accepts a point of P-256 with exactly the members of a public key', async () => {
  expect(parsePublicJwk(KEY)).toEqual(KEY)
  const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true })
  parsePublicJwk(await exportJWK(publicKey))
  parsePrivateJwk(await exportJWK(privateKey))
})

it.each([
  ['a private key', { ...KEY, d: D }],
  ['another member', { ...KEY, kid: 'a' }],
  ['another curve', { ...KEY, crv: 'P-384' }],
  ['another type', { ...KEY, kty: 'RSA' }],
  ['a missing coordinate', { kty: 'EC', crv: 'P-256', x: KEY.x }],
  ['a point that is not of the curve', { ...KEY, y: KEY.x }],
  ['the point 0, 0', { ...KEY, x: 'A'.repeat(43), y: 'A'.repeat(43) }],
  ['a coordinate that is not below the field prime', { ...KEY, x: `${'_'.repeat(42)}8` }],
  ['a shorter coordinate', { ...KEY, x: KEY.x.slice(4) }],
  ['a coordinate with padding', { ...KEY, x: `${KEY.x}=` }],
  ['a coordinate that is a number', { ...KEY, x: 1 }],
  ['null', null],
  ['an array', [KEY]],
])('refuses %s as a public key', (_, value) => {
  expect(() => parsePublicJwk(value)).toThrow(KeyError)
})

it.each([
  ['a public key', KEY],
  ['zero', { ...KEY, d: 'A'.repeat(43) }],
  ['a number above the order of the group', { ...KEY, d: `${'_'.repeat(42)}8` }],
])('refuses %s as a private key', (_, value) => {
  expect(() => parsePrivateJwk(value)).toThrow(KeyError)
})

it('names a key by its JWK thumbprint', async () => {
  const key = parsePublicJwk(KEY)
  expect(await keyThumbprint(key)).toBe(await calculateJwkThumbprint(KEY))
})

it('covers both keys and the user by the thumbprint of an account', async () => {
  const [a, b] = await Promise.all([newKey(), newKey()])
  const thumbprints = await Promise.all([
    accountThumbprint('u', { encryption_key: a, signing_key: b }),
    accountThumbprint('u', { encryption_key: b, signing_key: a }),
    accountThumbprint('v', { encryption_key: a, signing_key: b }),
  ])
  expect(new Set(thumbprints).size).toBe(3)
})

async function newKey() {
  const { publicKey } = await generateKeyPair('ES256')
  return parsePublicJwk(await exportJWK(publicKey))
}
