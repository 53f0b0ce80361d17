import type { Transport } from '../connection/phoenix.ts'
import { hasIndexedDb, indexedDbStore } from '../stores/indexed-db.ts'
import { memoryStore } from '../stores/memory.ts'
import type { Store } from '../stores/store.ts'
import type { SignInResponse } from '../wire.ts'
import { HttpApi } from './http.ts'
import { isSession, Session } from './session.ts'
import { lifetimeOf, SESSION_KEY, type StoredSession } from './stored-session.ts'

/** Where and how a client runs. */
export interface ClientOptions {
  /** The address of the server. */
  url: string
  /** Where the client keeps its state. Default: IndexedDB in browsers, otherwise memory. */
  store?: Store
  /** The class of WebSockets. Default: that of the environment; without one, long polling is used. */
  transport?: Transport
}

/** A session, and the store that holds it. */
export interface OpenSession {
  session: Session
  store: Store
}

/** An account with a password. */
export interface Credentials {
  email: string
  password: string
  /** A code of the authenticator app, or a recovery code, for accounts that have one. */
  otpToken?: string
}

/** A new account. */
export interface Registration {
  email: string
  password: string
  /** Default: the address. */
  name?: string
}

/** Signs in with a password. @throws RejectedError `totp_required` if the account needs a code as well. */
export async function signIn({
  email,
  password,
  otpToken,
  ...options
}: ClientOptions & Credentials): Promise<OpenSession> {
  const body = { email, password, ...(otpToken !== undefined && { otp_token: otpToken }) }
  return openSession(options, '/auth/login', body)
}

/** Creates an account and signs in. */
export async function register({
  email,
  password,
  name,
  ...options
}: ClientOptions & Registration): Promise<OpenSession> {
  const body = { email, password, ...(name !== undefined && { display_name: name }) }
  return openSession(options, '/auth/register', body)
}

/** Continues the session in the store; undefined if there is none for this server. */
export async function resume({
  url,
  store = defaultStore(),
}: ClientOptions): Promise<OpenSession | undefined> {
  const stored = await store.get(SESSION_KEY)
  if (!isSession(stored) || stored.url !== new HttpApi(url).url) return undefined
  return { session: new Session(store, stored), store }
}

/** Opens a session by a request that is answered with tokens and the user, and stores it. */
export async function openSession(
  { url, store = defaultStore() }: ClientOptions,
  path: '/auth/login' | '/auth/register' | '/auth/refresh',
  body: object,
): Promise<OpenSession> {
  const http = new HttpApi(url)
  const response = await http.request<SignInResponse>('POST', path, { body })
  const { user, auth_token: authToken, refresh_token: refreshToken } = response
  const { id, email, display_name: name } = user
  const lifetimeMs = lifetimeOf(authToken)
  const stored: StoredSession = {
    url: http.url,
    user: { id, email, name },
    ...{ authToken, refreshToken, lifetimeMs },
    usualLifetimeMs: lifetimeMs,
    receivedAt: Date.now(),
  }
  await store.update(SESSION_KEY, () => stored)
  return { session: new Session(store, stored), store }
}

function defaultStore(): Store {
  return hasIndexedDb() ? indexedDbStore() : memoryStore()
}
