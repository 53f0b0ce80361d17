import { generateKeyPairSync } from 'node:crypto'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { ClientMetadata } from 'oidc-provider'
import { onTestFinished, vi } from 'vitest'

/** An account at the provider. Its key in `accounts` is its subject and login name. */
export interface ProviderAccount {
  email?: string
  email_verified?: boolean
}

/** An OpenID Connect provider (`oidc-provider`) on loopback. */
export interface OpenIdServer {
  issuer: string
  accounts: Map<string, ProviderAccount>
}

/** A client at the provider. */
export interface ProviderClient {
  clientId: string
  clientSecret: string
  redirectUri: string
}

/** Generated once, because it is slow. */
const signingKey = newSigningKey()

/** Starts a provider with these clients. Tests add users to `accounts`. It is closed when the test has finished. */
export async function startOpenIdServer(...clients: ProviderClient[]): Promise<OpenIdServer> {
  const accounts = new Map<string, ProviderAccount>()
  let listener: RequestListener = () => {}
  const issuer = await serve((request, response) => listener(request, response))
  const provider = await withoutConsoleOutput(
    async () =>
      new (await import('oidc-provider')).default(issuer, {
        clients: clients.map(clientMetadata),
        claims: { openid: ['sub'], email: ['email', 'email_verified'] },
        // As Google does: the id_token contains the address, not only the userinfo response.
        conformIdTokenClaims: false,
        cookies: { keys: ['cookies of a provider for tests'] },
        jwks: { keys: [signingKey] },
        features: { devInteractions: { enabled: true } },
        ttl: {
          AccessToken: 60,
          AuthorizationCode: 60,
          Grant: 600,
          IdToken: 3_600,
          Interaction: 600,
          Session: 600,
        },
        findAccount: (_context, accountId) => ({
          accountId,
          claims: () => ({ sub: accountId, ...accounts.get(accountId) }),
        }),
      }),
  )
  listener = provider.callback()
  return { issuer, accounts }
}

/** A browser that submits the forms of the provider. It keeps cookies, and follows redirects within the provider. */
export class ProviderBrowser {
  readonly #cookies = new Map<string, string>()

  /** Opens an authorization URL, signs in and consents. @returns the final redirect URL. */
  async signIn(authorizationUrl: string, login: string): Promise<URL> {
    return this.#navigate(authorizationUrl, (page) => {
      const form = { prompt: /name="prompt" value="(\w+)"/.exec(page)?.[1] ?? '', login, password: 'any' }
      return { url: /action="([^"]+)"/.exec(page)?.[1], body: new URLSearchParams(form) }
    })
  }

  /** Opens an authorization URL and cancels. @returns the final redirect URL. */
  async cancel(authorizationUrl: string): Promise<URL> {
    return this.#navigate(authorizationUrl, (page) => ({ url: /href="([^"]+\/abort)"/.exec(page)?.[1] }))
  }

  async #navigate(
    start: string,
    answer: (page: string) => { url: string | undefined; body?: URLSearchParams },
  ): Promise<URL> {
    const { origin } = new URL(start)
    let next: { url: string; body?: URLSearchParams } = { url: start }
    for (let steps = 0; steps < 20; steps++) {
      const response = await this.#fetch(next)
      const location = response.headers.get('location')
      const page = await response.text()
      if (location) {
        const url = new URL(location, next.url)
        if (url.origin !== origin) return url
        next = { url: url.href }
        continue
      }
      const { url, ...rest } = answer(page)
      if (!url) throw new Error(`The provider's page has no form or link: ${response.status} ${page}`)
      next = { url: new URL(url, next.url).href, ...rest }
    }
    throw new Error('The provider redirects too often.')
  }

  async #fetch({ url, body }: { url: string; body?: URLSearchParams }): Promise<Response> {
    const cookie = [...this.#cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    const response = await fetch(url, {
      redirect: 'manual',
      headers: { cookie },
      ...(body && { method: 'POST', body }),
    })
    for (const line of response.headers.getSetCookie()) {
      const [name = '', value = ''] = line.split(';', 1)[0]!.split(/=(.*)/s)
      if (value) this.#cookies.set(name, value)
      else this.#cookies.delete(name)
    }
    return response
  }
}

/** Listens on a loopback port until the test has finished. @returns the URL. */
export async function serve(listener: RequestListener): Promise<string> {
  const server: Server = createServer(listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

function clientMetadata({ clientId, clientSecret, redirectUri }: ProviderClient): ClientMetadata {
  return { client_id: clientId, client_secret: clientSecret, redirect_uris: [redirectUri] }
}

function newSigningKey() {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  return { ...privateKey.export({ format: 'jwk' }), kid: 'test', use: 'sig', alg: 'RS256' }
}

/** Suppresses the provider's warnings about its development setup. */
async function withoutConsoleOutput<T>(make: () => Promise<T>): Promise<T> {
  const spies = [vi.spyOn(console, 'warn'), vi.spyOn(console, 'info')]
  for (const spy of spies) spy.mockImplementation(() => {})
  try {
    return await make()
  } finally {
    for (const spy of spies) spy.mockRestore()
  }
}
