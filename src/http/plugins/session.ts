import secureSession, { type Session } from '@fastify/secure-session'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Clock } from '../../clock.ts'
import type { Config } from '../../config.ts'
import type { Sessions } from '../../domain/sessions.ts'
import type { SocialAttempt } from '../../domain/social-login.ts'
import { AppError } from '../../errors.ts'
import { deriveKey } from '../../keys.ts'
import { bearerToken, type Caller, rememberCaller } from './authenticate.ts'
import type { RateLimits } from './rate-limit.ts'

/** How sure it is that who sits at this browser owns the address: by a letter or a provider, or by their word alone. */
export type Proof = 'proved' | 'claimed'

/** What the cookie remembers; `email` and `proof` come together, and only between the steps of signing in. */
export interface WhisperState {
  /** Of the session this browser is signed in with. */
  refreshToken?: string
  email?: string
  proof?: Proof
  /** A sign-in at another provider that this browser has begun. */
  social?: SocialAttempt
}

/** What a session cookie is judged with. */
export interface SessionOptions {
  config: Pick<Config, 'publicUrl' | 'secretKeyBase'>
  clock: Clock
  sessions: Pick<Sessions, 'verify' | 'holderOf'>
}

interface Stored extends WhisperState {
  /** When the step that the email belongs to was taken; milliseconds since the epoch. */
  steppedAt?: number
}

const COOKIE = 'whisper_session'
const OPTIONS = 'whisper_session_options'

/** As long as a refresh token. */
const COOKIE_S = 14 * 24 * 60 * 60
/** Time to set up an app on a phone. */
const STEP_MS = 30 * 60 * 1000

const SAFE_METHODS = ['GET', 'HEAD', 'OPTIONS']
/** What a page of the same origin sends; a form of another origin can do so too, which is why the origin counts. */
const BODY_TYPES = /^(application\/json|application\/x-www-form-urlencoded|multipart\/form-data)\s*(;|$)/i

/** Gives the routes of `app` the encrypted cookie in which a browser's sign-in is kept. */
export async function useWhisperSession(app: FastifyInstance, options: SessionOptions): Promise<void> {
  const { publicUrl, secretKeyBase } = options.config
  await app.register(secureSession, {
    sessionName: COOKIE,
    cookieName: COOKIE,
    key: deriveKey(secretKeyBase, 'session cookie'),
    expiry: COOKIE_S,
    cookie: {
      path: '/',
      httpOnly: true,
      sameSite: 'lax',
      secure: publicUrl.startsWith('https:'),
      maxAge: COOKIE_S,
    },
  })
  app.decorateRequest(OPTIONS, { getter: () => options })
}

/** What the cookie of a request says; a step that was taken long ago is forgotten. */
export function whisperSession(request: FastifyRequest): WhisperState {
  const { steppedAt = 0, email, proof, ...rest } = stored(request)
  const isFresh = optionsOf(request).clock.now() < steppedAt + STEP_MS
  return isFresh && email !== undefined && proof !== undefined ? { ...rest, email, proof } : rest
}

/** Remembers whose address this browser has named, or proved to be its user's: the ground of the next step. */
export function rememberEmail(request: FastifyRequest, email: string, proof: Proof): void {
  const { refreshToken } = stored(request)
  store(request, { refreshToken, email, proof, steppedAt: optionsOf(request).clock.now() })
}

/** Keeps the newest refresh token of the session the browser is signed in with. */
export function renewSignIn(request: FastifyRequest, refreshToken: string): void {
  store(request, { ...stored(request), refreshToken })
}

/** Signs the browser in; the steps that led there are forgotten. */
export function rememberSignIn(request: FastifyRequest, refreshToken: string): void {
  store(request, { refreshToken })
}

/** Remembers a sign-in at another provider that begins. */
export function rememberSocial(request: FastifyRequest, social: SocialAttempt): void {
  store(request, { ...stored(request), social })
}

/** Signs the browser out. The session itself is not ended by this. */
export function forgetSignIn(request: FastifyRequest): void {
  cookieOf(request).delete()
}

/**
 * Who is asking: the user of the bearer token, or else of the session in the cookie.
 * @throws AppError those of `Sessions.verify`; `session_expired`, `cross_origin`.
 */
export async function callerFrom(request: FastifyRequest): Promise<Caller> {
  const { sessions } = optionsOf(request)
  const { refreshToken } = whisperSession(request)
  if (hasBearer(request) || refreshToken === undefined) return sessions.verify(bearerToken(request))
  requireSameOrigin(request)
  const holder = await sessions.holderOf(refreshToken)
  if (!holder) throw new AppError('session_expired')
  return holder
}

/** Lets only signed-in users reach the routes of `app`, by token or cookie, each within the limit of requests. */
export function requireCaller(app: FastifyInstance, limits: Pick<RateLimits, 'requests'>): void {
  app.addHook('onRequest', async (request) => {
    try {
      rememberCaller(request, await callerFrom(request))
    } finally {
      await limits.requests(request)
    }
  })
}

/** Whether the request names a token of its own, which beats the cookie even when it is bad. */
export function hasBearer({ headers }: FastifyRequest): boolean {
  return /^bearer\b/i.test(headers.authorization ?? '')
}

/**
 * Keeps pages of other sites from using the cookie: what changes anything must be sent by a page of this one.
 * @throws AppError `cross_origin`.
 */
export function requireSameOrigin(request: FastifyRequest): void {
  if (SAFE_METHODS.includes(request.method)) return
  const type = request.headers['content-type']
  if (!isSameOrigin(request) || (type && !BODY_TYPES.test(type))) throw new AppError('cross_origin')
}

/** Whether no page of another origin has sent this, in the words of its browser. Who names no origin is no browser. */
export function isSameOrigin(request: FastifyRequest): boolean {
  const { 'sec-fetch-site': site, origin, host } = request.headers
  if (site !== undefined) return site === 'same-origin'
  if (origin === undefined) return true
  const home = new URL(optionsOf(request).config.publicUrl)
  return origin === home.origin || origin === `${home.protocol}//${host}`
}

function cookieOf(request: FastifyRequest): Session<Stored> {
  return request.getDecorator<Session<Stored>>(COOKIE)
}

function stored(request: FastifyRequest): Stored {
  const cookie = cookieOf(request)
  return cookie.deleted ? {} : (cookie.data() ?? {})
}

function store(request: FastifyRequest, state: { [K in keyof Stored]: Stored[K] | undefined }): void {
  const cookie = cookieOf(request)
  cookie.regenerate()
  cookie.deleted = false
  for (const [key, value] of Object.entries(state))
    if (value !== undefined) cookie.set(key as keyof Stored, value)
}

function optionsOf(request: FastifyRequest): SessionOptions {
  return request.getDecorator<SessionOptions>(OPTIONS)
}
