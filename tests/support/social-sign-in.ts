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

/** The registration of our server at the provider. */
export const CLIENT = {
  clientId: 'parley',
  clientSecret: 'a-secret-between-two-servers',
  redirectUri: PUBLIC_URL + CALLBACK_PATH,
}

/** The address of `ann`, who has an account at the provider. */
export const EMAIL = 'ann@example.com'

/** Starts a sign-in. @returns the authorization URL. */
export async function beginSignIn(browser: WhisperClient): Promise<URL> {
  const response = await browser.send(`GET ${BEGIN_PATH}`)
  expect(response.statusCode, response.body).toBe(302)
  return new URL(response.headers.location!)
}

/** Follows the redirect from the provider to our server. */
export function followCallback(browser: WhisperClient, url: URL): Promise<LightMyRequestResponse> {
  return browser.send(`GET ${url.pathname}${url.search}`)
}

/** Starts our server and a provider, where `ann` has an account with a verified address. */
export async function startWithProvider(db: Database) {
  const server = await startOpenIdServer(CLIENT)
  server.accounts.set('ann', { email: 'ann@example.com', email_verified: true })
  const api = await startApiWith(db, server)
  return { api, server, browser: new WhisperClient(api, EMAIL) }
}

/** Starts our server with the real time, because the provider uses it. */
export function startApiWith(db: Database, { issuer }: Pick<OpenIdServer, 'issuer'>): Promise<TestApi> {
  const overrides = { publicUrl: PUBLIC_URL, google: { ...CLIENT, issuer } }
  return startApi(db, overrides, new ManualClock(Date.now()))
}

/** Signs in through the provider. */
export async function signIn(browser: WhisperClient, login = 'ann'): Promise<LightMyRequestResponse> {
  const url = await beginSignIn(browser)
  return followCallback(browser, await new ProviderBrowser().signIn(url.href, login))
}

/** Starts our server and a fake provider. The browser has started a sign-in. `callback` is the redirect URL to follow. */
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

/** The redirect URL from the provider with this query. */
export function callbackUrl(query: Record<string, string>): URL {
  return new URL(`${CLIENT.redirectUri}?${new URLSearchParams(query)}`)
}

/** The status and error code of a failed request. */
export function failure(response: LightMyRequestResponse) {
  return [response.statusCode, response.json().error.code]
}

/** All users, with the subjects of their linked identities. */
export async function users(db: Database): Promise<Record<string, unknown>[]> {
  return db.rows(
    `select users.email, username, is_username_set, display_name, password_hash, email_confirmed_at is not null as confirmed,
       array_remove(array_agg(identities.subject order by subject), null) as subjects
     from users left join identities on identities.user_id = users.id group by users.id order by email`,
    [],
  )
}
