import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Config } from '../../config/config.ts'
import type { Sessions } from '../../domain/sessions/sessions.ts'
import { AppError } from '../../errors.ts'
import type { RateLimits } from '../rate-limits/rate-limits.ts'
import { type Caller, setCaller } from './caller.ts'
import { requireSameOrigin } from './same-origin.ts'
import { readSession } from './session-cookie.ts'

interface Authentication {
  config: Pick<Config, 'publicUrl'>
  sessions: Pick<Sessions, 'verify' | 'holderOf'>
}

interface Limited {
  limits: Pick<RateLimits, 'requests'>
}

/** Requires an access token on the routes of `app`, and applies the general rate limit. */
export function requireAccessToken(
  app: FastifyInstance,
  { sessions, limits }: Pick<Authentication, 'sessions'> & Limited,
): void {
  app.addHook('onRequest', async (request) => {
    try {
      setCaller(request, sessions.verify(bearerToken(request)))
    } finally {
      await limits.requests(request)
    }
  })
}

/** Requires an access token or a session cookie on the routes of `app`, and applies the general rate limit. */
export function requireTokenOrCookie(app: FastifyInstance, options: Authentication & Limited): void {
  app.addHook('onRequest', async (request) => {
    try {
      await authenticate(request, options)
    } finally {
      await options.limits.requests(request)
    }
  })
}

/**
 * Authenticates a request by its bearer token, or else by its session cookie, and sets its caller. A bearer token, even an
 * invalid one, takes precedence over the cookie.
 * @throws AppError those of `Sessions.verify`; `session_expired`; `cross_origin`.
 */
export async function authenticate(
  request: FastifyRequest,
  { config, sessions }: Authentication,
): Promise<Caller> {
  const caller = await identify()
  setCaller(request, caller)
  return caller

  async function identify(): Promise<Caller> {
    const { refreshToken } = readSession(request)
    if (hasBearer(request) || refreshToken === undefined) return sessions.verify(bearerToken(request))
    requireSameOrigin(request, config.publicUrl)
    const holder = await sessions.holderOf(refreshToken)
    if (!holder) throw new AppError('session_expired')
    return holder
  }
}

/** Whether the request carries an `Authorization: Bearer` header. */
export function hasBearer({ headers }: FastifyRequest): boolean {
  return /^bearer\b/i.test(headers.authorization ?? '')
}

/** The token of an `Authorization: Bearer` header (RFC 6750). */
export function bearerToken({ headers }: FastifyRequest): string | undefined {
  return /^bearer +(.+)$/i.exec(headers.authorization ?? '')?.[1]
}
