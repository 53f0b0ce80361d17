import { createHmac } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { startApi, type TestApi } from '../../support/api.ts'
import { setUpDatabase } from '../../support/set-up-database.ts'
import { ENDPOINTS, lineOf } from '../endpoints.ts'

const db = setUpDatabase()

const PRIVATE = ENDPOINTS.filter(({ isPrivate }) => isPrivate)
const PUBLIC = ENDPOINTS.filter(({ isPrivate }) => !isPrivate)

const BAD_TOKENS: [
  what: string,
  code: string,
  message: string,
  make: (api: TestApi) => Promise<string | undefined>,
][] = [
  ['no token', 'token_missing', 'Authentication token is missing.', async () => undefined],
  ['garbage', 'token_invalid', 'Authentication token is invalid.', async () => 'garbage'],
  ['a token with a space', 'token_invalid', 'Authentication token is invalid.', async () => 'a b'],
  ['a changed token', 'token_invalid', 'Authentication token is invalid.', changedToken],
  ['an unsigned token', 'token_invalid', 'Authentication token is invalid.', unsignedToken],
  ['a token of another algorithm', 'token_invalid', 'Authentication token is invalid.', otherAlgorithm],
  ['a refresh token', 'token_invalid', 'Authentication token is invalid.', refreshToken],
  ['the token of a revoked session', 'token_invalid', 'Authentication token is invalid.', revokedToken],
  ['an expired token', 'token_expired', 'Authentication token is expired.', expiredToken],
]

describe.each(BAD_TOKENS)('%s', (_what, code, message, makeToken) => {
  it('is rejected by every endpoint that requires a token, before the body is read', async () => {
    const api = await startApi(db)
    const token = await makeToken(api)
    for (const endpoint of PRIVATE) {
      const headers = { 'content-type': 'application/json' }
      const body = endpoint.body && '{ not JSON'
      const response = await api.send(lineOf(endpoint), { token, headers, body })
      expect(response.statusCode, endpoint.line).toBe(401)
      expect(response.json(), endpoint.line).toEqual({ error: { code, message } })
    }
  })

  it('is ignored by all other endpoints', async () => {
    const api = await startApi(db, { rateLimits: false })
    const token = await makeToken(api)
    for (const endpoint of PUBLIC) {
      const response = await api.send(lineOf(endpoint), { token, body: endpoint.body })
      expect(response.body, endpoint.line).not.toContain(code)
    }
  })
})

it('a valid token suffices for every endpoint that requires one', async () => {
  const api = await startApi(db, { rateLimits: false })
  for (const [index, endpoint] of PRIVATE.entries()) {
    const { auth_token: token } = await api.register(`ann${index}`)
    const response = await api.send(lineOf(endpoint), { token, body: endpoint.body })
    expect(response.statusCode, endpoint.line).not.toBe(401)
  }
})

async function changedToken(api: TestApi): Promise<string> {
  const [header, payload, signature] = (await api.register('ann')).auth_token.split('.')
  const claims = JSON.parse(Buffer.from(payload!, 'base64url').toString())
  const changed = Buffer.from(JSON.stringify({ ...claims, exp: claims.exp + 60 })).toString('base64url')
  return `${header}.${changed}.${signature}`
}

async function unsignedToken(api: TestApi): Promise<string> {
  const [, payload] = (await api.register('ann')).auth_token.split('.')
  return `${Buffer.from('{"alg":"none","typ":"JWT"}').toString('base64url')}.${payload}.`
}

async function otherAlgorithm(api: TestApi): Promise<string> {
  const [, payload] = (await api.register('ann')).auth_token.split('.')
  const signed = `${Buffer.from('{"alg":"HS512","typ":"JWT"}').toString('base64url')}.${payload}`
  return `${signed}.${createHmac('sha512', 'some key').update(signed).digest('base64url')}`
}

async function refreshToken(api: TestApi): Promise<string> {
  return (await api.register('ann')).refresh_token
}

async function revokedToken(api: TestApi): Promise<string> {
  const { auth_token, refresh_token } = await api.register('ann')
  await api.send('POST /api/signout', { body: { token: refresh_token } })
  return auth_token
}

async function expiredToken(api: TestApi): Promise<string> {
  const { auth_token } = await api.register('ann')
  api.clock.advance(30 * 60_000)
  return auth_token
}
