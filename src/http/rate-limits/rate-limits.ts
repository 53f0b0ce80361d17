import type { FastifyRequest } from 'fastify'
import type { SharedCounter } from '../../domain/security/hit-counter.ts'
import { networkOf } from '../device.ts'
import { type EmailLimitOptions, type EmailLimits, emailLimits } from './email-limits.ts'
import { userOrNetwork } from './keys.ts'
import { Limiter, MINUTE_MS, type RateLimit } from './limiter.ts'
import { type LoginLimitOptions, type LoginLimits, loginLimits } from './login-limits.ts'

/** The rate limits of the HTTP API. Those that read the body run after validation, as `preHandler`. */
export interface RateLimits extends LoginLimits, EmailLimits {
  /** All requests, by user, or by network when not signed in. */
  requests: RateLimit
  /** User searches, by user. */
  searches: RateLimit
  /** Changes of a key set, by user. Each is sent to everyone who shares a conversation. */
  keyChanges: RateLimit
  /** Queries for the keys of users, by user. */
  keyQueries: RateLimit
  /** Changes of account data, by user. */
  accountData: RateLimit
  /** Registrations, by network. */
  registrations: RateLimit
  /** Refreshes, by session. Tokens of no session are counted by network. */
  refreshes(request: FastifyRequest, sessionId: string | undefined): Promise<void>
}

interface RateLimitOptions extends LoginLimitOptions, EmailLimitOptions {
  /** `false` lifts every limit except one email a minute per account and kind. */
  enabled: boolean
  /** Counts over all nodes; absent on a single node. */
  sharedCounter: SharedCounter | undefined
}

/** Creates the rate limits of the HTTP API. */
export function createRateLimits(options: RateLimitOptions): RateLimits {
  const { enabled } = options
  const limiter = new Limiter(options.clock, options.sharedCounter)
  const requests = limiter.limit('requests', { max: 1_200, perNode: true })
  const searches = limiter.limit('searches', { max: 60, perNode: true })
  const keyChanges = limiter.limit('key changes', { max: 20, windowMs: 60 * MINUTE_MS })
  const keyQueries = limiter.limit('key queries', { max: 60, perNode: true })
  const accountData = limiter.limit('account data', { max: 120, perNode: true })
  const registrations = limiter.limit('registrations', { max: 600 })
  const refreshesOfSession = limiter.limit('refreshes of session', { max: 120 })
  const refreshesFromNetwork = limiter.limit('refreshes from network', { max: 600 })
  const whenEnabled = (check: RateLimit): RateLimit => (enabled ? check : async () => {})

  return {
    ...loginLimits(limiter, options),
    ...emailLimits(limiter, options),
    requests: whenEnabled((request) => requests(userOrNetwork(request))),
    searches: whenEnabled((request) => searches(userOrNetwork(request))),
    keyChanges: whenEnabled((request) => keyChanges(userOrNetwork(request))),
    keyQueries: whenEnabled((request) => keyQueries(userOrNetwork(request))),
    accountData: whenEnabled((request) => accountData(userOrNetwork(request))),
    registrations: whenEnabled((request) => registrations(networkOf(request))),
    async refreshes(request, sessionId) {
      if (!enabled) return
      if (sessionId === undefined) await refreshesFromNetwork(networkOf(request))
      else await refreshesOfSession(sessionId)
    },
  }
}
