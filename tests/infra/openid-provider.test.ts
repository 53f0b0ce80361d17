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
  const double = await FakeOpenIdProvider.start(CLIENT.clientId, clock.now())
  double.claims.nonce = SECRETS.nonce
  const log = recordingLogger()
  const provider = new OpenIdProvider({ ...CLIENT, issuer: double.issuer, clock, log: log.logger })
  const identify = () => provider.identify('a-code', SECRETS)
  const begin = () => provider.authorizationUrl(SECRETS)
  return { clock, double, provider, identify, begin, log }
}

async function codeOf(work: Promise<unknown>): Promise<string> {
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
    const back = await new ProviderBrowser().signIn(href, 'ann')
    expect(back.href).toContain(`${CLIENT.redirectUri}?code=`)
    expect(back.searchParams.get('state')).toBe(SECRETS.state)
    return back.searchParams.get('code')!
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
    expect(await codeOf(provider.identify(code, SECRETS))).toBe('sign_in_refused')
    for (const wrong of [{ codeVerifier: 'w'.repeat(43) }, { nonce: 'another' }]) {
      const fresh = await codeFor(provider)
      expect(await codeOf(provider.identify(fresh, { ...SECRETS, ...wrong }))).toBe('sign_in_refused')
    }
    expect(await codeOf(provider.identify('made up', SECRETS))).toBe('sign_in_refused')
  })
})

describe('the authorization URL', () => {
  it('requests a code that is bound to this client, browser and exchange', async () => {
    const { double, begin } = await setUp()
    const url = await begin()
    expect(url.origin + url.pathname).toBe(`${double.issuer}/authorize`)
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
    ['of another client', { aud: 'another' }],
    ['of no client', { aud: undefined }],
    ['of several clients, made for another', { aud: [CLIENT.clientId, 'another'], azp: 'another' }],
    ['of several clients, made for none of them', { aud: [CLIENT.clientId, 'another'] }],
    ['made for another client', { azp: 'another' }],
    ['of another issuer', { iss: 'https://accounts.example' }],
    ['with another nonce', { nonce: 'another' }],
    ['without a nonce', { nonce: undefined }],
    ['with a nonce that is no text', { nonce: 5 as unknown as string }],
    ['that has expired', { exp: now - 61 }],
    ['that never expires', { exp: undefined }],
    ['that is not valid yet', { nbf: now + 61 }],
    ['of nobody', { sub: undefined }],
    ['of an empty subject', { sub: '' }],
    ['of a subject that is too long', { sub: 'x'.repeat(256) }],
    ['of a subject that cannot be stored', { sub: 'a\0b' }],
  ])('%s is refused and logged', async (_what, claims) => {
    const { double, identify, log } = await setUp()
    Object.assign(double.claims, claims)
    expect(await codeOf(identify())).toBe('sign_in_refused')
    expect(log.lines).toHaveLength(1)
    expect(log.text()).toContain('ID token was rejected')
    for (const secret of ['a-code', 'eyJ', ...Object.values(SECRETS), CLIENT.clientSecret, 'ann@example.com'])
      expect(log.text()).not.toContain(secret)
  })

  it.each<[what: string, forge: (double: FakeOpenIdProvider) => Promise<string>]>([
    ['signed with another key', async (double) => double.sign((await generateKeyPair('ES256')).privateKey)],
    ['signed with nothing', async (double) => new UnsecuredJWT(double.claims).encode()],
    [
      'signed with the secret of the client',
      (double) => double.sign(bytes(CLIENT.clientSecret.padEnd(32)), 'HS256'),
    ],
    [
      'signed with the public key',
      async (double) => double.sign(bytes(JSON.stringify(await double.publicJwk())), 'HS256'),
    ],
    ['whose claims were changed', async (double) => changed(await double.sign())],
    ['that is none', async () => 'garbage'],
  ])('%s is refused', async (_what, forge) => {
    const { double, identify } = await setUp()
    double.idToken = () => forge(double)
    expect(await codeOf(identify())).toBe('sign_in_refused')
  })

  it('may have several audiences if it was issued for this client', async () => {
    const { double, identify } = await setUp()
    Object.assign(double.claims, { aud: ['another', CLIENT.clientId], azp: CLIENT.clientId })
    expect(await identify()).toHaveProperty('subject', 'ann')
  })

  it.each([
    ['no word of it', undefined],
    ['no', false],
    ['the text "true"', 'true'],
    ['1', 1],
  ])('with email_verified %s does not verify the email', async (_what, email_verified) => {
    const { double, identify } = await setUp()
    Object.assign(double.claims, { email_verified })
    expect(await identify()).toMatchObject({ email: 'ann@example.com', isEmailVerified: false })
  })

  it('may have no email', async () => {
    const { double, identify } = await setUp()
    Object.assign(double.claims, { email: ['ann@example.com'] })
    expect(await identify()).toMatchObject({ subject: 'ann', email: undefined })
  })
})

describe('the discovery document', () => {
  it('is fetched once for concurrent requests, and again after an hour', async () => {
    const { double, begin, clock } = await setUp()
    const fetches = () => double.requests.filter((path) => path === DOCUMENT).length
    await Promise.all([begin(), begin()])
    clock.advance(HOUR_MS - 1)
    await begin()
    expect(fetches()).toBe(1)
    clock.advance(1)
    await begin()
    expect(fetches()).toBe(2)
  })

  it('provides new keys', async () => {
    const { double, identify, clock } = await setUp()
    await identify()
    await double.changeKey()
    clock.advance(HOUR_MS)
    double.claims.exp = clock.now() / 1000 + 600
    expect(await identify()).toHaveProperty('subject', 'ann')
  })

  it.each<[what: string, change: (double: FakeOpenIdProvider) => void]>([
    ['of another issuer', (double) => Object.assign(double.document, { issuer: 'https://accounts.example' })],
    ['of nearly the issuer', (double) => Object.assign(double.document, { issuer: `${double.issuer}/` })],
    ['without a token endpoint', (double) => delete double.document.token_endpoint],
    ['with an endpoint that is no address', (double) => Object.assign(double.document, { jwks_uri: 'keys' })],
    [
      'with an endpoint that runs code',
      (double) => Object.assign(double.document, { authorization_endpoint: 'javascript:alert(1)' }),
    ],
    ['that is a list', (double) => double.answers.set(DOCUMENT, (_, response) => response.end('[]'))],
    ['that is not JSON', (double) => double.answers.set(DOCUMENT, (_, response) => response.end('<html>'))],
    [
      'that is an error',
      ({ answers, document }) =>
        answers.set(DOCUMENT, (_, response) => response.writeHead(404).end(JSON.stringify(document))),
    ],
    ['that is elsewhere', sendElsewhere],
  ])('%s is rejected, and fetched again the next time', async (_what, change) => {
    const { double, begin } = await setUp()
    const good = { ...double.document }
    change(double)
    expect(await codeOf(begin())).toBe('provider_unavailable')
    double.document = good
    double.answers.clear()
    expect(await codeOf(begin())).toBe('accepted')
  })
})

describe('a provider that', () => {
  it.each([DOCUMENT, '/token', '/keys'])('does not answer %s times out after five seconds', async (path) => {
    const { double, identify, clock } = await setUp()
    double.answers.set(path, () => {})
    const outcome = codeOf(identify())
    await eventually(() => expect(double.requests).toContain(path))
    clock.advance(5_000)
    expect(await outcome).toBe('provider_unavailable')
  })

  it.each<[what: string, status: number, body: unknown, code: string]>([
    ['says the code is bad', 400, { error: 'invalid_grant' }, 'sign_in_refused'],
    ['does not know us', 401, { error: 'invalid_client' }, 'provider_unavailable'],
    ['is broken', 500, {}, 'provider_unavailable'],
    ['is overloaded', 503, { error: 'temporarily_unavailable' }, 'provider_unavailable'],
    ['gives no id_token', 200, { access_token: 'x' }, 'provider_unavailable'],
    ['gives no object', 200, null, 'provider_unavailable'],
    ['refuses without a reason', 400, 'no', 'provider_unavailable'],
  ])('%s at the token endpoint', async (_what, status, body, code) => {
    const { double, identify } = await setUp()
    double.answers.set('/token', (_, response) => response.writeHead(status).end(JSON.stringify(body)))
    expect(await codeOf(identify())).toBe(code)
  })

  it('has no keys verifies nobody', async () => {
    const { double, identify } = await setUp()
    double.answers.set('/keys', (_, response) => response.writeHead(500).end())
    expect(await codeOf(identify())).toBe('provider_unavailable')
  })

  it('cannot be reached is unavailable', async () => {
    const { clock, log } = await setUp()
    const issuer = 'http://127.0.0.1:9'
    const provider = new OpenIdProvider({ ...CLIENT, issuer, clock, log: log.logger })
    expect(await codeOf(provider.authorizationUrl(SECRETS))).toBe('provider_unavailable')
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

function sendElsewhere({ answers, document }: FakeOpenIdProvider): void {
  answers.set(DOCUMENT, (_, response) => response.writeHead(302, { location: '/moved' }).end())
  answers.set('/moved', (_, response) => response.end(JSON.stringify(document)))
}
