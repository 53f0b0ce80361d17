import { expect, it } from 'vitest'
import { openSigner } from '../support/account-services.ts'

const CLAIMS = { sub: 'ann', sid: 'a session', iat: 1, exp: 2 }

it('verifies a token repeatedly, and rejects every other signature', async () => {
  const signer = await openSigner()
  const token = signer.sign(CLAIMS)
  for (let times = 0; times < 3; times++) expect(signer.verify(token)).toEqual(CLAIMS)
  const [head, , signature] = token.split('.')
  const forged = Buffer.from(JSON.stringify({ ...CLAIMS, sub: 'bob' })).toString('base64url')
  for (const other of [`${head}.${forged}.${signature}`, `${token.slice(0, -4)}AAAA`, `${token} `, '']) {
    for (let times = 0; times < 2; times++) expect(() => signer.verify(other)).toThrow()
  }
  expect(signer.verify(token)).toEqual(CLAIMS)
})

it('returns claims that cannot be modified, because they are cached', async () => {
  const signer = await openSigner()
  const token = signer.sign(CLAIMS)
  const claims = signer.verify(token) as typeof CLAIMS
  expect(() => {
    claims.sub = 'bob'
  }).toThrow(TypeError)
  expect(signer.verify(token)).toEqual(CLAIMS)
})
