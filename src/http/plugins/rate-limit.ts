import rateLimit, { type CreateRateLimitOptions, normalizeIP } from '@fastify/rate-limit'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Clock } from '../../clock.ts'
import type { Sessions } from '../../domain/sessions.ts'
import { AppError } from '../../errors.ts'
import { callerIfKnown } from './authenticate.ts'
import { type SharedCounter, sharedKey, windowStore } from './rate-limit-store.ts'

/** Counts a request; throws `rate_limited` when it is one too many. */
export type RateLimit = (request: FastifyRequest) => Promise<void>

/** The kinds of letter one can ask for, paced apart. */
export type LetterKind = 'email_confirmation' | 'email_change' | 'password_reset' | 'email_verification'

/** The limits of the HTTP API, each to be used as a hook; those that read the body after its validation. */
export interface RateLimits {
  /** Requests per user, or per address when not signed in. */
  requests: RateLimit
  loginsFromAddress: RateLimit
  /** Goes by the account as typed, so that it tells nothing about which accounts exist. */
  loginsToAccount: RateLimit
  registrations: RateLimit
  /** Refreshes per session; those with a token of no session, or none, per address. */
  refreshes(tokenOf: (request: FastifyRequest) => string | undefined): RateLimit
  letters: Record<LetterKind, RateLimit>
}

interface RateLimitOptions {
  /** Off lifts every limit but the pacing of letters per account. */
  enabled: boolean
  clock: Clock
  sessions: Pick<Sessions, 'familyOf'>
  /** Counts what concerns signing in over all nodes; absent on a single one. */
  sharedCounter: SharedCounter | undefined
}

const MINUTE_MS = 60_000

/** Starts the keys of sessions. */
const SESSION = 'session '

/** Sets up the limits of the HTTP API. */
export async function createRateLimits(
  app: FastifyInstance,
  { enabled, clock, sessions, sharedCounter }: RateLimitOptions,
): Promise<RateLimits> {
  await app.register(rateLimit, { global: false, store: windowStore(clock, sharedCounter) })

  const always = (options: CreateRateLimitOptions): RateLimit => {
    const check = app.createRateLimit({ ...options, timeWindow: MINUTE_MS })
    return async (request) => {
      const result = await check(request)
      if (!result.isAllowed && result.isExceeded)
        throw new AppError('rate_limited', { retryAfterMs: result.ttl })
    }
  }
  const limit = enabled ? always : () => async () => {}
  const lettersFromAddress = limit({ max: 30, keyGenerator: shared('letters from', addressOf) })
  const letters = (kind: LetterKind): RateLimit => {
    const lettersToAccount = always({
      max: 1,
      keyGenerator: shared(kind, (request) => callerIfKnown(request)?.userId ?? typedAccount(request)),
    })
    return async (request) => {
      await lettersFromAddress(request)
      await lettersToAccount(request)
    }
  }
  const presented = new WeakMap<FastifyRequest, string | undefined>()
  const refreshes = limit({
    max: (_request, key) => (key.includes(SESSION) ? 30 : 600),
    async keyGenerator(request) {
      const token = presented.get(request)
      const sessionId = token === undefined ? undefined : await sessions.familyOf(token)
      const key = sessionId === undefined ? addressOf(request) : SESSION + sessionId
      return sharedKey('refreshes', key)
    },
  })

  return {
    requests: limit({
      max: 1_200,
      keyGenerator: (request) => callerIfKnown(request)?.userId ?? addressOf(request),
    }),
    loginsFromAddress: limit({ max: 600, keyGenerator: shared('logins from', addressOf) }),
    loginsToAccount: limit({ max: 10, keyGenerator: shared('logins to', typedAccount) }),
    registrations: limit({ max: 600, keyGenerator: shared('registrations', addressOf) }),
    refreshes: (tokenOf) => async (request) => {
      presented.set(request, tokenOf(request))
      await refreshes(request)
    },
    letters: {
      email_confirmation: letters('email_confirmation'),
      email_change: letters('email_change'),
      password_reset: letters('password_reset'),
      email_verification: letters('email_verification'),
    },
  }
}

/** Makes the keys of a limit those of all nodes. */
function shared(limit: string, keyOf: (request: FastifyRequest) => string) {
  return (request: FastifyRequest) => sharedKey(limit, keyOf(request))
}

function typedAccount({ body }: FastifyRequest): string {
  return (body as { email: string }).email.trim().toLowerCase()
}

function addressOf({ ip }: FastifyRequest): string {
  return normalizeIP(ip)
}
