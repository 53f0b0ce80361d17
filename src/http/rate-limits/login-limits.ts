import type { FastifyRequest } from 'fastify'
import { canonicalEmail } from '../../canonical-email.ts'
import type { Clock } from '../../clock.ts'
import type { Passwordless } from '../../domain/accounts/passwordless.ts'
import { EventThrottle } from '../../domain/security/event-throttle.ts'
import type { SecurityLog } from '../../domain/security/security-log.ts'
import { AppError } from '../../errors.ts'
import { deviceOf, networkOf } from '../device.ts'
import type { DeviceCookie } from '../plugins/device-cookie.ts'
import { typedAccount, typedEmail } from './keys.ts'
import { type Limiter, MINUTE_MS, type RateLimit } from './limiter.ts'

/** The limits of signing in. */
export interface LoginLimits {
  loginsByNetwork: RateLimit
  /**
   * Counts by the account as typed, so that the answer does not depend on whether it exists: per network, and over all networks
   * with a higher limit. A device on which the account has signed in before has its own limit, so that others cannot lock it out.
   */
  loginsByAccount: RateLimit
  /** Counts a password given to another route as a login to the account with the email. */
  passwordChecks(emailOf: (request: FastifyRequest) => string | Promise<string>): RateLimit
  /** Sign-ins begun with an email, by account and network. */
  signInStarts: RateLimit
}

export interface LoginLimitOptions {
  enabled: boolean
  clock: Clock
  passwordless: Pick<Passwordless, 'find'>
  securityLog: Pick<SecurityLog, 'record'>
  deviceCookie: Pick<DeviceCookie, 'recognize'>
}

const HOUR_MS = 60 * MINUTE_MS

/** Creates the limits of signing in. */
export function loginLimits(limiter: Limiter, options: LoginLimitOptions): LoginLimits {
  const { enabled, clock, deviceCookie, passwordless, securityLog } = options
  const byNetwork = limiter.limit('logins from network', { max: 600 })
  const byDevice = limiter.limit('logins from device', { max: 10 })
  const byAccountAndNetwork = limiter.limit('logins to account from network', { max: 10 })
  const byAccount = limiter.limit('logins to account', { max: 100 })
  const byAccountHourly = limiter.limit('logins to account, hourly', { max: 1_000, windowMs: HOUR_MS })
  const starts = limiter.limit('sign-in starts', { max: 10 })
  const lockouts = new EventThrottle({ clock, max: 1, windowMs: MINUTE_MS, report: () => {} })

  return {
    async loginsByNetwork(request) {
      if (enabled) await byNetwork(networkOf(request))
    },
    loginsByAccount: (request) => countPassword(request, typedEmail(request)),
    passwordChecks: (emailOf) => async (request) => countPassword(request, await emailOf(request)),
    async signInStarts(request) {
      if (enabled) await starts(accountAndNetwork(typedAccount(request), request))
    },
  }

  async function countPassword(request: FastifyRequest, email: string): Promise<void> {
    if (!enabled) return
    const account = canonicalEmail(email.trim())
    const deviceId = await deviceCookie.recognize(request, email)
    let key = deviceId ?? accountAndNetwork(account, request)
    try {
      if (deviceId !== undefined) return await byDevice(key)
      await byAccountAndNetwork(key)
      // Only what passes the limit of its network counts here, so it takes many networks to reach these limits.
      key = account
      await byAccount(key)
      await byAccountHourly(key)
    } catch (error) {
      const isExceeded = error instanceof AppError && error.code === 'rate_limited'
      if (isExceeded) void recordLockout(key, request, email)
      throw error
    }
  }

  /** Records a lockout once a minute, in the background: the response time must not show whether the account exists. */
  async function recordLockout(key: string, request: FastifyRequest, email: string): Promise<void> {
    lockouts.sweep()
    if (!lockouts.pass(key, request)) return
    const account = await passwordless.find(email).catch(() => undefined)
    const details = { userId: account?.id, ...deviceOf(request), reason: 'password_tries' }
    securityLog.record('sign_in_locked', details)
  }
}

function accountAndNetwork(account: string, request: FastifyRequest): string {
  return `${account} ${networkOf(request)}`
}
