import { describe, expect, it } from 'vitest'
import { startApi } from '../../support/api.ts'
import { setUpDatabase } from '../../support/set-up-database.ts'

const db = setUpDatabase()

const SITE = 'https://chat.example.com'

describe('pages of other origins', () => {
  it('may call the API without credentials by default', async () => {
    const api = await startApi(db)
    const { headers } = await api.send('GET /api/users', { headers: { origin: SITE } })
    expect(headers['access-control-allow-origin']).toBe('*')
    const exposed = String(headers['access-control-expose-headers']).split(', ')
    expect(exposed).toEqual(expect.arrayContaining(['ETag', 'Location', 'Retry-After', 'Upload-Offset']))
    expect(headers).not.toHaveProperty('access-control-allow-credentials')
  })

  it('get a preflight response', async () => {
    const api = await startApi(db)
    const response = await api.send('OPTIONS /api/profile', {
      headers: {
        origin: SITE,
        'access-control-request-method': 'PATCH',
        'access-control-request-headers': 'authorization, content-type',
      },
    })
    expect(response.statusCode).toBe(204)
    expect(response.headers['access-control-allow-methods']).toContain('PATCH')
    expect(response.headers['access-control-allow-headers']).toBe('authorization, content-type')
  })

  it('can read error responses', async () => {
    const api = await startApi(db)
    for (const line of ['GET /api/nothing', 'GET /api/users', 'POST /auth/login']) {
      const { statusCode, headers } = await api.send(line, { headers: { origin: SITE } })
      expect(statusCode).toBeGreaterThanOrEqual(400)
      expect(headers['access-control-allow-origin']).toBe('*')
    }
  })

  it('are limited to the configured origins', async () => {
    const api = await startApi(db, { corsOrigins: [SITE] })
    const named = await api.send('GET /api/users', { headers: { origin: SITE } })
    expect(named.headers).toMatchObject({ 'access-control-allow-origin': SITE, vary: 'Origin' })
    const other = await api.send('GET /api/users', { headers: { origin: 'https://other.example.com' } })
    expect(other.headers).not.toHaveProperty('access-control-allow-origin')
    const asking = { origin: 'https://other.example.com', 'access-control-request-method': 'PATCH' }
    const preflight = await api.send('OPTIONS /api/profile', { headers: asking })
    expect(preflight.headers).not.toHaveProperty('access-control-allow-origin')
    expect(preflight.headers).toMatchObject({ vary: 'Origin, Access-Control-Request-Headers' })
  })

  it('cannot read responses outside of the API', async () => {
    const api = await startApi(db)
    for (const path of ['/metrics', '/readyz', '/dev/mailbox.json', '/dev/mailbox', '/docs/json']) {
      const { headers } = await api.send(`GET ${path}`, { headers: { origin: SITE } })
      expect(headers).not.toHaveProperty('access-control-allow-origin')
    }
    const preflight = { origin: SITE, 'access-control-request-method': 'GET' }
    const { headers } = await api.send('OPTIONS /dev/mailbox.json', { headers: preflight })
    expect(headers).not.toHaveProperty('access-control-allow-origin')
  })
})

describe('security headers', () => {
  it('restrict API responses in browsers, and let other origins read them', async () => {
    const api = await startApi(db)
    const { headers } = await api.send('GET /api/users')
    expect(headers['content-security-policy']).toContain("default-src 'none'")
    expect(headers).toMatchObject({
      'cross-origin-resource-policy': 'cross-origin',
      'origin-agent-cluster': '?1',
      'referrer-policy': 'no-referrer',
      'x-content-type-options': 'nosniff',
      'x-dns-prefetch-control': 'off',
      'x-download-options': 'noopen',
      'x-frame-options': 'SAMEORIGIN',
      'x-permitted-cross-domain-policies': 'none',
      'x-xss-protection': '0',
      'cache-control': 'no-store',
    })
  })

  it('do not require HTTPS without it', async () => {
    const api = await startApi(db)
    const { headers } = await api.send('GET /livez')
    expect(headers).not.toHaveProperty('strict-transport-security')
    expect(headers['content-security-policy']).not.toContain('upgrade-insecure-requests')
  })

  it('require HTTPS with it', async () => {
    const api = await startApi(db, { publicUrl: SITE })
    const { headers } = await api.send('GET /livez')
    expect(headers).toMatchObject({
      'strict-transport-security': 'max-age=31536000',
      'cross-origin-opener-policy': 'same-origin',
    })
  })
})

it('accepts paths with and without a trailing slash', async () => {
  const api = await startApi(db)
  const { auth_token: token } = await api.register('ann')
  for (const line of ['GET /api/users', 'GET /api/sessions', 'POST /api/signout_all']) {
    const { statusCode } = await api.send(`${line}/`, { token })
    expect(statusCode, line).toBeLessThan(300)
  }
  const body = { email: 'ann@example.com' }
  expect((await api.send('POST /auth/password/request/', { body })).statusCode).toBe(204)
})

it('accepts forwarded addresses only from trusted proxies', async () => {
  const forwarded = { 'x-forwarded-for': '203.0.113.7' }
  const trusting = await startApi(db, { trustProxy: ['10.0.0.0/8'] })
  const body = { email: 'ann@example.com', password: 'correct horse battery staple' }
  for (const from of ['10.1.2.3', '198.51.100.9']) {
    await trusting.send('POST /auth/register', {
      body: { ...body, email: `${from}@example.com` },
      from,
      headers: forwarded,
    })
  }
  const { auth_token: token } = (
    await trusting.send('POST /auth/login', {
      body: { ...body, email: '10.1.2.3@example.com' },
      from: '198.51.100.9',
      headers: forwarded,
    })
  ).json()
  const { items } = (await trusting.send('GET /api/sessions', { token })).json()
  expect(items.map(({ ip }: { ip: string }) => ip).sort()).toEqual(['198.51.100.9', '203.0.113.7'])
})

it('logs no query strings, tokens or bodies', async () => {
  const api = await startApi(db)
  const { auth_token: token, refresh_token } = await api.register('ann')
  await api.send(`GET /api/users?token=${token}`, { token })
  await api.send('POST /auth/refresh', { body: { token: refresh_token } })
  await api.send(`GET /nothing?token=${token}`)
  expect(api.log.lines).toContainEqual(
    expect.objectContaining({ method: 'GET', path: '/api/users', status: 200 }),
  )
  expect(api.log.text()).not.toContain(token)
  expect(api.log.text()).not.toContain(refresh_token)
  expect(api.log.text()).not.toMatch(/ann@|correct horse/)
})
