import { createHash } from 'node:crypto'
import { generateKeyPair, UnsecuredJWT } from 'jose'
import { describe, expect, it } from 'vitest'
import type { AppError } from '../../src/errors.ts'
import { OpenIdProvider } from '../../src/infra/openid-provider.ts'
import { ManualClock } from '../support/clock.ts'
import { eventually } from '../support/eventually.ts'
import { FakeOpenIdProvider } from '../support/fake-openid-provider.ts'
import { recordingLogger } from '../support/log.ts'
import { ProviderBrowser, startOpenIdServer } from '../support/openid-provider.ts'

const CLIENT = {
  clientId: 'parley',
  clientSecret: 'a-secret-between-two-servers',
  redirectUri: 'https://chat.example/back/',
}
const SECRETS = { state: 'a-state', nonce: 'a-nonce', codeVerifier: 'v'.repeat(43) }
const DOCUMENT = '/.well-known/openid-configuration'
const HOUR_MS = 60 * 60 * 1000

async function setUp() {
  const clock = new ManualClock()
  const fake = await FakeOpenIdProvider.start(CLIENT.clientId, clock.now())
  fake.claims.nonce = SECRETS.nonce
  const log = recordingLogger()
  const provider = new OpenIdProvider({ ...CLIENT, issuer: fake.issuer, clock, log: log.logger })
  const identify = () => provider.identify('a-code', SECRETS)
  const authorizationUrl = () => provider.authorizationUrl(SECRETS)
  return { clock, fake, provider, identify, authorizationUrl, log }
}

async function resultOf(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => 'accepted',
    (error: AppError) => error.code ?? error,
  )
}

describe('with a real provider', () => {
  async function setUpReal() {
    const server = await startOpenIdServer(CLIENT)
    server.accounts.set('ann', { email: 'ann@example.com', email_verified: true })
    const clock = new ManualClock(Date.now())
    const { logger } = recordingLogger()
    return new OpenIdProvider({ ...CLIENT, issuer: server.issuer, clock, log: logger })
  }

  async function codeFor(provider: OpenIdProvider): Promise<string> {
    const { href } = await provider.authorizationUrl(SECRETS)
    const callback = await new ProviderBrowser().signIn(href, 'ann')
    expect(callback.href).toContain(`${CLIENT.redirectUri}?code=`)
    expect(callback.searchParams.get('state')).toBe(SECRETS.state)
    return callback.searchParams.get('code')!
  }

  it('identifies the user who signed in', async () => {
    const provider = await setUpReal()
    expect(await provider.identify(await codeFor(provider), SECRETS)).toEqual({
      issuer: provider.issuer,
      subject: 'ann',
      email: 'ann@example.com',
      isEmailVerified: true,
    })
  })

  it('exchanges a code once, and only with its verifier and nonce', async () => {
    const provider = await setUpReal()
    const code = await codeFor(provider)
    await provider.identify(code, SECRETS)
    expect(await resultOf(provider.identify(code, SECRETS))).toBe('sign_in_refused')
    for (const wrong of [{ codeVerifier: 'w'.repeat(43) }, { nonce: 'another' }]) {
      const fresh = await codeFor(provider)
      expect(await resultOf(provider.identify(fresh, { ...SECRETS, ...wrong }))).toBe('sign_in_refused')
    }
    expect(await resultOf(provider.identify('made up', SECRETS))).toBe('sign_in_refused')
  })
})

describe('the authorization URL', () => {
  it('requests a code that is bound to this client, browser and exchange', async () => {
    const { fake, authorizationUrl } = await setUp()
    const url = await authorizationUrl()
    expect(url.origin + url.pathname).toBe(`${fake.issuer}/authorize`)
    expect(Object.fromEntries(url.searchParams)).toEqual({
      response_type: 'code',
      client_id: CLIENT.clientId,
      redirect_uri: CLIENT.redirectUri,
      scope: 'openid email',
      state: SECRETS.state,
      nonce: SECRETS.nonce,
      code_challenge_method: 'S256',
      code_challenge: createHash('sha256').update(SECRETS.codeVerifier).digest('base64url'),
    })
  })
})

describe('an id_token', () => {
  const now = Math.floor(new ManualClock().now() / 1000)

  it.each([
    ['with another audience', { aud: 'another' }],
    ['without an audience', { aud: undefined }],
    [
      'with several audiences, authorized for another client',
      { aud: [CLIENT.clientId, 'another'], azp: 'another' },
    ],
    ['with several audiences, without azp', { aud: [CLIENT.clientId, 'another'] }],
    ['with another azp', { azp: 'another' }],
    ['of another issuer', { iss: 'https://accounts.example' }],
    ['with another nonce', { nonce: 'another' }],
    ['without a nonce', { nonce: undefined }],
    ['with a nonce that is not a string', { nonce: 5 as unknown as string }],
    ['that has expired', { exp: now - 61 }],
    ['that never expires', { exp: undefined }],
    ['that is not valid yet', { nbf: now + 61 }],
    ['without a subject', { sub: undefined }],
    ['with an empty subject', { sub: '' }],
    ['with a subject that is too long', { sub: 'x'.repeat(256) }],
    ['with a subject that contains NUL', { sub: 'a\0b' }],
  ])('%s is rejected and logged', async (_what, claims) => {
    const { fake, identify, log } = await setUp()
    Object.assign(fake.claims, claims)
    expect(await resultOf(identify())).toBe('sign_in_refused')
    expect(log.lines).toHaveLength(1)
    expect(log.text()).toContain('ID token was rejected')
    for (const secret of ['a-code', 'eyJ', ...Object.values(SECRETS), CLIENT.clientSecret, 'ann@example.com'])
      expect(log.text()).not.toContain(secret)
  })

  it.each<[what: string, forge: (fake: FakeOpenIdProvider) => Promise<string>]>([
    ['signed with another key', async (fake) => fake.sign((await generateKeyPair('ES256')).privateKey)],
    ['that is not signed', async (fake) => new UnsecuredJWT(fake.claims).encode()],
    [
      'signed with the client secret (HS256)',
      (fake) => fake.sign(bytes(CLIENT.clientSecret.padEnd(32)), 'HS256'),
    ],
    [
      'signed with the public key (HS256)',
      async (fake) => fake.sign(bytes(JSON.stringify(await fake.publicJwk())), 'HS256'),
    ],
    ['whose claims were changed', async (fake) => changed(await fake.sign())],
    ['that is not a JWT', async () => 'garbage'],
  ])('%s is rejected', async (_what, forge) => {
    const { fake, identify } = await setUp()
    fake.idToken = () => forge(fake)
    expect(await resultOf(identify())).toBe('sign_in_refused')
  })

  it('may have several audiences if it was issued for this client', async () => {
    const { fake, identify } = await setUp()
    Object.assign(fake.claims, { aud: ['another', CLIENT.clientId], azp: CLIENT.clientId })
    expect(await identify()).toHaveProperty('subject', 'ann')
  })

  it.each([
    ['missing', undefined],
    ['false', false],
    ['the text "true"', 'true'],
    ['1', 1],
  ])('with email_verified %s does not verify the address', async (_what, email_verified) => {
    const { fake, identify } = await setUp()
    Object.assign(fake.claims, { email_verified })
    expect(await identify()).toMatchObject({ email: 'ann@example.com', isEmailVerified: false })
  })

  it('may have no email', async () => {
    const { fake, identify } = await setUp()
    Object.assign(fake.claims, { email: ['ann@example.com'] })
    expect(await identify()).toMatchObject({ subject: 'ann', email: undefined })
  })
})

describe('the discovery document', () => {
  it('is fetched once for concurrent requests, and again after an hour', async () => {
    const { fake, authorizationUrl, clock } = await setUp()
    const fetches = () => fake.requests.filter((path) => path === DOCUMENT).length
    await Promise.all([authorizationUrl(), authorizationUrl()])
    clock.advance(HOUR_MS - 1)
    await authorizationUrl()
    expect(fetches()).toBe(1)
    clock.advance(1)
    await authorizationUrl()
    expect(fetches()).toBe(2)
  })

  it('provides new keys', async () => {
    const { fake, identify, clock } = await setUp()
    await identify()
    await fake.rotateKey()
    clock.advance(HOUR_MS)
    fake.claims.exp = clock.now() / 1000 + 600
    expect(await identify()).toHaveProperty('subject', 'ann')
  })

  it.each<[what: string, change: (fake: FakeOpenIdProvider) => void]>([
    ['of another issuer', (fake) => Object.assign(fake.document, { issuer: 'https://accounts.example' })],
    [
      'of the issuer with a trailing slash',
      (fake) => Object.assign(fake.document, { issuer: `${fake.issuer}/` }),
    ],
    ['without a token endpoint', (fake) => delete fake.document.token_endpoint],
    ['with an endpoint that is not a URL', (fake) => Object.assign(fake.document, { jwks_uri: 'keys' })],
    [
      'with a javascript: endpoint',
      (fake) => Object.assign(fake.document, { authorization_endpoint: 'javascript:alert(1)' }),
    ],
    ['that is a list', (fake) => fake.handlers.set(DOCUMENT, (_, response) => response.end('[]'))],
    ['that is not JSON', (fake) => fake.handlers.set(DOCUMENT, (_, response) => response.end('<html>'))],
    [
      'that is an error',
      ({ handlers, document }) =>
        handlers.set(DOCUMENT, (_, response) => response.writeHead(404).end(JSON.stringify(document))),
    ],
    ['that is a redirect', redirectElsewhere],
  ])('%s is rejected, and fetched again the next time', async (_what, change) => {
    const { fake, authorizationUrl } = await setUp()
    const good = { ...fake.document }
    change(fake)
    expect(await resultOf(authorizationUrl())).toBe('provider_unavailable')
    fake.document = good
    fake.handlers.clear()
    expect(await resultOf(authorizationUrl())).toBe('accepted')
  })
})

describe('the token endpoint or keys', () => {
  it.each([DOCUMENT, '/token', '/keys'])('%s times out after five seconds', async (path) => {
    const { fake, identify, clock } = await setUp()
    fake.handlers.set(path, () => {})
    const outcome = resultOf(identify())
    await eventually(() => expect(fake.requests).toContain(path))
    clock.advance(5_000)
    expect(await outcome).toBe('provider_unavailable')
  })

  it.each<[what: string, status: number, body: unknown, code: string]>([
    ['an invalid code', 400, { error: 'invalid_grant' }, 'sign_in_refused'],
    ['an unknown client', 401, { error: 'invalid_client' }, 'provider_unavailable'],
    ['a server error', 500, {}, 'provider_unavailable'],
    ['an overloaded server', 503, { error: 'temporarily_unavailable' }, 'provider_unavailable'],
    ['a response without an id_token', 200, { access_token: 'x' }, 'provider_unavailable'],
    ['a response that is not an object', 200, null, 'provider_unavailable'],
    ['an error without a reason', 400, 'no', 'provider_unavailable'],
  ])('%s from the token endpoint is reported with the matching code', async (_what, status, body, code) => {
    const { fake, identify } = await setUp()
    fake.handlers.set('/token', (_, response) => response.writeHead(status).end(JSON.stringify(body)))
    expect(await resultOf(identify())).toBe(code)
  })

  it('reject every sign-in while the keys are unavailable', async () => {
    const { fake, identify } = await setUp()
    fake.handlers.set('/keys', (_, response) => response.writeHead(500).end())
    expect(await resultOf(identify())).toBe('provider_unavailable')
  })

  it('are unavailable if the provider is unreachable', async () => {
    const { clock, log } = await setUp()
    const issuer = 'http://127.0.0.1:9'
    const provider = new OpenIdProvider({ ...CLIENT, issuer, clock, log: log.logger })
    expect(await resultOf(provider.authorizationUrl(SECRETS))).toBe('provider_unavailable')
  })
})

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}

function changed(token: string): string {
  const [header, payload = '', signature] = token.split('.')
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString())
  const other = Buffer.from(JSON.stringify({ ...claims, sub: 'bob' })).toString('base64url')
  return `${header}.${other}.${signature}`
}

function redirectElsewhere({ handlers, document }: FakeOpenIdProvider): void {
  handlers.set(DOCUMENT, (_, response) => response.writeHead(302, { location: '/moved' }).end())
  handlers.set('/moved', (_, response) => response.end(JSON.stringify(document)))
}
