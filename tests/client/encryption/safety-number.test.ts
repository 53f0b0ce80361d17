import { expect, it } from 'vitest'
import { formatSafetyNumber, qrText, safetyNumber } from '../../../src/client/encryption/index.ts'

const [ANN, BOB, EVE] = ['AA', 'BB', 'EE'].map((letters) => `${letters.repeat(21)}A`) as [
  string,
  string,
  string,
]

it('is the same 60 digits on both sides, and others for another person', async () => {
  const number = await safetyNumber(ANN, BOB)
  expect(number).toMatch(/^\d{60}$/)
  expect(await safetyNumber(BOB, ANN)).toBe(number)
  expect(await safetyNumber(EVE, BOB)).not.toBe(number)
  // Each person has the same half with everyone.
  const halves = [number.slice(0, 30), number.slice(30)]
  const withEve = await safetyNumber(EVE, BOB)
  expect([withEve.slice(0, 30), withEve.slice(30)].filter((half) => halves.includes(half))).toHaveLength(1)
})

it('is shown in twelve groups', () => {
  expect(formatSafetyNumber('0123456789'.repeat(6))).toBe(Array(6).fill('01234 56789').join(' '))
})

it('has a text for a QR code that is the same on both sides', () => {
  expect(qrText(BOB, ANN)).toBe(`parley.1:${ANN}:${BOB}`)
  expect(qrText(ANN, BOB)).toBe(qrText(BOB, ANN))
})
