import fc from 'fast-check'
import { expect, it } from 'vitest'
import {
  formatRecoveryKey,
  generateRecoveryKey,
  parseRecoveryKey,
} from '../../../src/client/encryption/index.ts'

it('is seven groups of four characters of Crockford base 32', async () => {
  const keys = await Promise.all(Array.from({ length: 20 }, () => generateRecoveryKey()))
  for (const key of keys) expect(key).toMatch(/^([0-9A-HJKMNP-TV-Z]{4}-){6}[0-9A-HJKMNP-TV-Z]{4}$/)
  expect(new Set(keys).size).toBe(20)
})

it('is read in any case, without separators, and with letters that look like digits', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ minLength: 16, maxLength: 16 }), async (bytes) => {
      const key = await formatRecoveryKey(new Uint8Array(bytes))
      const secret = key.replaceAll('-', '')
      const sloppy = key.toLowerCase().replaceAll('-', ' ').replaceAll('1', 'l').replaceAll('0', 'o')
      expect(await parseRecoveryKey(key)).toBe(secret)
      expect(await parseRecoveryKey(` ${sloppy}\n`)).toBe(secret)
    }),
  )
})

it('notices two characters that changed places', async () => {
  const key = await formatRecoveryKey(Uint8Array.from({ length: 16 }, (_, index) => index * 15))
  const characters = [...key]
  const swapped = characters.with(1, characters[2]!).with(2, characters[1]!).join('')
  expect(swapped).not.toBe(key)
  await expect(parseRecoveryKey(swapped)).rejects.toMatchObject({ code: 'invalid_recovery_key' })
})

it.each(['', 'seven quiet herons', 'U000-0000-0000-0000-0000-0000-0000', '0'.repeat(27)])(
  'refuses %j',
  async (text) => {
    await expect(parseRecoveryKey(text)).rejects.toMatchObject({ code: 'invalid_recovery_key' })
  },
)
