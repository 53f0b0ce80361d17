import { randomBytes, randomInt, randomUUID } from 'node:crypto'
import { expect, it } from 'vitest'
import { isGuessable } from '../../src/config/secret-strength.ts'

it.each([
  'x'.repeat(32),
  'ab'.repeat(20),
  'deadbeef'.repeat(8),
  'password'.repeat(4),
  'changeme-changeme-changeme-changeme',
  'supersecretsupersecretsupersecret1',
  'Tr0ub4dor&3Tr0ub4dor&3Tr0ub4dor&3',
  '0123456789abcdef0123456789abcdef',
  'abcdefghijklmnopqrstuvwxyz0123456789',
  '00000000000000000000000000000001',
  'qwertyuiopasdfghjklzxcvbnm1234567890',
  'a secret key base for tests only: long enough',
  'a vault key for tests only: long enough',
  'PLEASE-CHANGE-THIS-SECRET-KEY-BASE-PLEASE',
])('classifies %s as guessable', (secret) => {
  expect(isGuessable(secret)).toBe(true)
})

it.each([
  ['32 hexadecimal digits', () => randomBytes(16).toString('hex')],
  ['32 characters of base64', () => randomBytes(24).toString('base64')],
  ['the output of npm run secrets', () => randomBytes(48).toString('base64url')],
  ['a UUID', () => randomUUID()],
  ['40 decimal digits', () => Array.from({ length: 40 }, () => randomInt(10)).join('')],
  ['16 hexadecimal digits', () => randomBytes(8).toString('hex')],
])('classifies %s as random', (_, make) => {
  // By chance, one in thousands looks guessable.
  const guessable = Array.from({ length: 500 }, () => make()).filter((secret) => isGuessable(secret))
  expect(guessable.length).toBeLessThan(5)
})
