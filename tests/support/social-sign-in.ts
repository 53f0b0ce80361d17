import type { LightMyRequestResponse } from 'fastify'
import { expect } from 'vitest'
import type { Database } from '../../src/db/database.ts'
import { startApi, type TestApi } from './api.ts'
import { ManualClock } from './clock.ts'
import { FakeOpenIdProvider } from './fake-openid-provider.ts'
import { type OpenIdServer, ProviderBrowser, startOpenIdServer } from './openid-provider.ts'
import { WhisperClient } from './whisper-client.ts'

export const BEGIN_PATH = '/api/v1/user/social/begin/google-oauth2'
export const CALLBACK_PATH = '/api/v1/user/social/complete/google-oauth2/'
export const PUBLIC_URL = 'https://chat.example'

/** What our server is to the provider. */
export const CLIENT = {
  clientId: 'parley',
  clientSecret: 'a-secret-between-two-servers',
  redirectUri: PUBLIC_URL + CALLBACK_PATH,
}

/** The address of `ann`, who has an account at the provider. */
export const EMAIL = 'ann@example.com'

/** Begins to sign in. @returns where the provider is. */
export async function beginSignIn(browser: WhisperClient): Promise<URL> {
  const response = await browser.send(`GET ${BEGIN_PATH}`)
  expect(response.statusCode, response.body).toBe(302)
  return new URL(response.headers.location!)
}

/** Comes back from the provider. */
export function followCallback(browser: WhisperClient, url: URL): Promise<LightMyRequestResponse> {
  return browser.send(`GET ${url.pathname}${url.search}`)
}

/** Our server and a real provider, where `ann` has an account with a verified address. */
export async function startWithProvider(db: Database) {
  const server = await startOpenIdServer(CLIENT)
  server.accounts.set('ann', { email: 'ann@example.com', email_verified: true })
  const api = await startApiWith(db, server)
  return { api, server, browser: new WhisperClient(api, EMAIL) }
}

/** The provider judges by the real time, so our server has to begin with it. */
export function startApiWith(db: Database, { issuer }: Pick<OpenIdServer, 'issuer'>): Promise<TestApi> {
  const overrides = { publicUrl: PUBLIC_URL, google: { ...CLIENT, issuer } }
  return startApi(db, overrides, new ManualClock(Date.now()))
}

/** The whole way: there, signing in, and back. */
export async function signIn(browser: WhisperClient, login = 'ann'): Promise<LightMyRequestResponse> {
  const url = await beginSignIn(browser)
  return followCallback(browser, await new ProviderBrowser().signIn(url.href, login))
}

/** Our server and a provider that lies at will, with a browser about to come back from there. */
export async function startWithFakeProvider(db: Database) {
  const clock = new ManualClock()
  const provider = await FakeOpenIdProvider.start(CLIENT.clientId, clock.now())
  const overrides = { publicUrl: PUBLIC_URL, google: { ...CLIENT, issuer: provider.issuer } }
  const api = await startApi(db, overrides, clock)
  const browser = new WhisperClient(api, EMAIL)
  const url = await beginSignIn(browser)
  provider.claims.nonce = url.searchParams.get('nonce')!
  const callback = callbackUrl({ state: url.searchParams.get('state')!, code: 'a-code' })
  return { api, provider, browser, callback }
}

/** Where a provider would send a browser, with this in the query. */
export function callbackUrl(query: Record<string, string>): URL {
  return new URL(`${CLIENT.redirectUri}?${new URLSearchParams(query)}`)
}

/** How a request failed: its status and code. */
export function failure(response: LightMyRequestResponse) {
  return [response.statusCode, response.json().error.code]
}

/** Everyone with an account, with the subjects of their identities. */
export async function users(db: Database): Promise<Record<string, unknown>[]> {
  return db.rows(
    `select users.email, username, is_username_set, display_name, password_hash, email_confirmed_at is not null as confirmed,
       array_remove(array_agg(identities.subject order by subject), null) as subjects
     from users left join identities on identities.user_id = users.id group by users.id order by email`,
    [],
  )
}
