import { Secret, TOTP, URI } from 'otpauth'
import { describe, expect, it } from 'vitest'
import { newRecoveryCodes, recoveryCodeHash } from '../../../src/domain/two-factor/recovery-codes.ts'
import { matchingStep, newTotpSecret, totpUri } from '../../../src/domain/two-factor/totp-codes.ts'

/** RFC 6238, appendix B, as the last six of its eight digits. */
const RFC_SECRET = Secret.fromLatin1('12345678901234567890').base32
const RFC_CODES: [seconds: number, code: string][] = [
  [59, '287082'],
  [1111111109, '081804'],
  [1111111111, '050471'],
  [1234567890, '005924'],
  [2000000000, '279037'],
  [20000000000, '353130'],
]

describe('the code of an authenticator app', () => {
  it.each(RFC_CODES)('at %i s is that of RFC 6238', (seconds, code) => {
    const step = Math.floor(seconds / 30)
    expect(matchingStep(RFC_SECRET, code, { now: seconds * 1000, lastStep: 0 })).toBe(step)
  })

  it('is valid one step early or late, and no more', () => {
    const now = 2_000_000_000_000
    const current = Math.floor(now / 30_000)
    const found = [-2, -1, 0, 1, 2].map((off) => {
      const code = new TOTP({ secret: RFC_SECRET }).generate({ timestamp: now + off * 30_000 })
      return matchingStep(RFC_SECRET, code, { now, lastStep: 0 })
    })
    expect(found).toEqual([undefined, current - 1, current, current + 1, undefined])
  })

  it('is not valid for a used step, or an earlier one', () => {
    const code = '279037'
    const now = 2_000_000_000_000
    const step = Math.floor(now / 30_000)
    expect(matchingStep(RFC_SECRET, code, { now, lastStep: step - 1 })).toBe(step)
    expect(matchingStep(RFC_SECRET, code, { now, lastStep: step })).toBeUndefined()
    expect(matchingStep(RFC_SECRET, code, { now, lastStep: step + 5 })).toBeUndefined()
  })

  it('may contain spaces, and nothing else', () => {
    const at = { now: 2_000_000_000_000, lastStep: 0 }
    expect(matchingStep(RFC_SECRET, ' 279 037\n', at)).toBeDefined()
    for (const typed of [
      '',
      '27903',
      '2790370',
      '279038',
      '279O37',
      '２７９０３７',
      '279037\0',
      'x'.repeat(100_000),
    ]) {
      expect(matchingStep(RFC_SECRET, typed, at), typed.slice(0, 20)).toBeUndefined()
    }
  })
})

describe('the otpauth URI', () => {
  it('has the site, the account and the parameters', () => {
    const secret = newTotpSecret()
    const uri = totpUri(secret, { issuer: 'The Site', email: 'ann+chat@example.com' })
    expect(uri).toMatch(/^otpauth:\/\/totp\/The%20Site:ann%2Bchat%40example\.com\?/)
    expect(URI.parse(uri)).toMatchObject({
      issuer: 'The Site',
      label: 'ann+chat@example.com',
      algorithm: 'SHA1',
      digits: 6,
      period: 30,
      secret: Secret.fromBase32(secret),
    })
  })

  it('has a new secret of 160 bits each time', () => {
    const secrets = Array.from({ length: 20 }, newTotpSecret)
    expect(new Set(secrets).size).toBe(20)
    for (const secret of secrets) expect(Secret.fromBase32(secret).bytes).toHaveLength(20)
  })

  it('fits into a QR code, whatever the address', () => {
    const email = `${'😀'.repeat(148)}@example.com`
    expect(totpUri(newTotpSecret(), { issuer: '界'.repeat(64), email }).length).toBeLessThan(2_953)
  })
})

describe('recovery codes', () => {
  it('are ten different codes without ambiguous characters', () => {
    const codes = [newRecoveryCodes(), newRecoveryCodes()].flat()
    expect(new Set(codes).size).toBe(20)
    for (const code of codes) expect(code).toMatch(/^[0-9a-hjkmnp-tv-z]{5}(-[0-9a-hjkmnp-tv-z]{5}){2}$/)
  })

  it('are recognized in any spelling', () => {
    const hash = recoveryCodeHash('ann', '0123a-bcdef-ghjk1')
    expect(hash).toHaveLength(32)
    for (const typed of [
      '0123ABCDEFGHJK1',
      ' 0123a bcdef ghjk1 ',
      'o123a-bcdef-ghjkl',
      'OI23a--bcdef-ghjkI',
    ]) {
      expect(recoveryCodeHash('ann', typed), typed).toEqual(hash)
    }
  })

  it('have another hash for each user', () => {
    expect(recoveryCodeHash('ann', '0123a-bcdef-ghjk1')).not.toEqual(
      recoveryCodeHash('bob', '0123a-bcdef-ghjk1'),
    )
  })

  it('have no hash for texts of other characters or another length', () => {
    for (const typed of [
      '',
      '123456',
      '0123a-bcdef',
      '0123a-bcdef-ghjku',
      '0123a-bcdef-ghjk1x',
      '0123a-bcdef-ghjk\0',
    ]) {
      expect(recoveryCodeHash('ann', typed), typed).toBeUndefined()
    }
  })
})
