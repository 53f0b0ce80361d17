import secureSession, { type Session } from '@fastify/secure-session'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Clock } from '../../clock.ts'
import type { Config } from '../../config/config.ts'
import type { SocialAttempt } from '../../domain/accounts/social-login.ts'
import { newToken } from '../../domain/shared/secrets.ts'
import { VERIFICATION_LIFETIME_MS } from '../../domain/two-factor/totp-enrolment.ts'
import { deriveKey } from '../../keys.ts'
import { hostCookieName } from './host-cookies.ts'

/** Whether the email in the cookie was verified, by an email or a provider, or only typed in. */
export type EmailVerification = 'verified' | 'unverified'

/** The contents of the cookie. `email` and `verification` are set together, and only between the steps of a sign-in. */
export interface CookieSession {
  /** Of the session this browser is signed in with. */
  refreshToken?: string
  email?: string
  verification?: EmailVerification
  /** Issued with a verified email. Binds a TOTP enrolment to this browser; single use. */
  secret?: string
  /** The pending sign-in with another provider. */
  social?: SocialAttempt
}

interface SessionCookieOptions {
  config: Pick<Config, 'publicUrl' | 'secretKeyBase'>
  clock: Clock
}

/** The encrypted format. It must stay readable for the previous version, which runs beside this one during an update. */
interface Stored {
  refreshToken?: string
  email?: string
  proof?: 'proved' | 'claimed'
  secret?: string
  social?: SocialAttempt
  /** When `email` was set; milliseconds since the epoch. */
  steppedAt?: number
}

const SESSION = 'whisper_session'
/** Decorates requests with the cookie of earlier versions, which had no `__Host-` prefix over HTTPS. */
const UNPREFIXED_SESSION = 'unprefixed_whisper_session'
const CLOCK = 'whisper_session_clock'

/** As long as a refresh token. */
const COOKIE_LIFETIME_S = 14 * 24 * 60 * 60

/** Adds the encrypted session cookie to the routes of `app`. */
export async function useSessionCookie(
  app: FastifyInstance,
  { config, clock }: SessionCookieOptions,
): Promise<void> {
  const { publicUrl, secretKeyBase } = config
  const cookieName = hostCookieName(SESSION, publicUrl)
  const shared = {
    key: deriveKey(secretKeyBase, 'session cookie'),
    expiry: COOKIE_LIFETIME_S,
    cookie: {
      path: '/',
      httpOnly: true,
      sameSite: 'lax' as const,
      secure: publicUrl.startsWith('https:'),
      maxAge: COOKIE_LIFETIME_S,
    },
  }
  const unprefixed = { sessionName: UNPREFIXED_SESSION, cookieName: SESSION, ...shared }
  await app.register(secureSession, [
    { sessionName: SESSION, cookieName, ...shared },
    ...(cookieName === SESSION ? [] : [unprefixed]),
  ])
  if (cookieName !== SESSION)
    app.addHook('onRequest', async (request) => migrateUnprefixed(request, cookieName))
  app.decorateRequest(CLOCK, { getter: () => clock })
}

/** Reads the cookie. The email is left out once it has expired. */
export function readSession(request: FastifyRequest): CookieSession {
  const { steppedAt = 0, email, proof, secret, ...rest } = load(request)
  const isFresh = clockOf(request).now() < steppedAt + VERIFICATION_LIFETIME_MS
  if (!isFresh || email === undefined || proof === undefined) return rest
  const verification = proof === 'proved' ? 'verified' : 'unverified'
  return { ...rest, email, verification, ...(secret !== undefined && { secret }) }
}

/** Stores the email for the next step of the sign-in; a pending sign-in with another provider is dropped. */
export function storeEmail(request: FastifyRequest, email: string, verification: EmailVerification): void {
  const { refreshToken } = load(request)
  const isVerified = verification === 'verified'
  store(request, {
    refreshToken,
    email,
    proof: isVerified ? 'proved' : 'claimed',
    secret: isVerified ? newToken() : undefined,
    steppedAt: clockOf(request).now(),
  })
}

/** Replaces the refresh token after a rotation. */
export function replaceRefreshToken(request: FastifyRequest, refreshToken: string): void {
  store(request, { ...load(request), refreshToken })
}

/** Signs the browser in. Everything else in the cookie is cleared. */
export function storeSignIn(request: FastifyRequest, refreshToken: string): void {
  store(request, { refreshToken })
}

/** Stores a pending sign-in with another provider. */
export function storeSocialAttempt(request: FastifyRequest, social: SocialAttempt): void {
  store(request, { ...load(request), social })
}

/** Deletes the cookie. The session itself is not revoked. */
export function clearSession(request: FastifyRequest): void {
  cookieOf(request).delete()
}

/** Moves a session from the unprefixed cookie to the current one, so that users stay signed in. */
function migrateUnprefixed(request: FastifyRequest, cookieName: string): void {
  const unprefixed = request.getDecorator<Session<Stored>>(UNPREFIXED_SESSION)
  const stored = unprefixed.data() ?? {}
  if (!Object.keys(stored).length) return
  unprefixed.delete()
  if (request.cookies[cookieName] === undefined) store(request, stored)
}

function load(request: FastifyRequest): Stored {
  const cookie = cookieOf(request)
  return cookie.deleted ? {} : (cookie.data() ?? {})
}

function store(request: FastifyRequest, stored: { [K in keyof Stored]: Stored[K] | undefined }): void {
  const cookie = cookieOf(request)
  cookie.regenerate()
  cookie.deleted = false
  for (const [key, value] of Object.entries(stored))
    if (value !== undefined) cookie.set(key as keyof Stored, value)
}

function cookieOf(request: FastifyRequest): Session<Stored> {
  return request.getDecorator<Session<Stored>>(SESSION)
}

function clockOf(request: FastifyRequest): Clock {
  return request.getDecorator<Clock>(CLOCK)
}
