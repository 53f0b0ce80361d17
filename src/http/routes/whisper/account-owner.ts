import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Account } from '../../../domain/accounts/accounts.ts'
import type { CodeOrigin } from '../../../domain/two-factor/code-limits.ts'
import type { Enrolment } from '../../../domain/two-factor/totp-enrolment.ts'
import { AppError } from '../../../errors.ts'
import { deviceOf, networkOf } from '../../device.ts'
import type { WhisperOptions } from '../../options.ts'
import { authenticate, hasBearer } from '../../plugins/authenticate.ts'
import { requireSameOrigin } from '../../plugins/same-origin.ts'
import { readSession } from '../../plugins/session-cookie.ts'

/** The verified owner of an account, and the session or browser that a TOTP enrolment is bound to. */
interface AccountOwner {
  account: Account
  enrolment: Enrolment
}

type OwnerOptions = Pick<WhisperOptions, 'accounts' | 'passwordless' | 'sessions' | 'limits' | 'config'>

const OWNER = 'account_owner'

/**
 * Requires the owner of an account on the routes of `app`: by a recent sign-in with token or cookie, or, for an account without a
 * password, by an email verified in this browser. The email comes from the cookie, never from the request.
 */
export function requireOwner(app: FastifyInstance, options: OwnerOptions): void {
  requireOwnerBy(app, options, findOwner)
}

/** Requires the owner of an account on the routes of `app`, by a recent sign-in with token or cookie. */
export function requireRecentSignIn(app: FastifyInstance, options: OwnerOptions): void {
  requireOwnerBy(app, options, findSignedInOwner)
}

/** The owner of a request to a route that requires one. */
export function ownerOf(request: FastifyRequest): AccountOwner {
  return request.getDecorator<AccountOwner>(OWNER)
}

/** The origin of a code that an owner enters. */
export function ownerOrigin(request: FastifyRequest): CodeOrigin {
  const { account, enrolment } = ownerOf(request)
  const trustedClient = 'sessionId' in enrolment ? `session ${enrolment.sessionId}` : `verified ${account.id}`
  return { ...deviceOf(request), network: networkOf(request), trustedClient }
}

function requireOwnerBy(app: FastifyInstance, options: OwnerOptions, find: typeof findOwner): void {
  app.decorateRequest(OWNER, null)
  app.addHook('onRequest', async (request) => {
    try {
      request.setDecorator<AccountOwner>(OWNER, await find(request, options))
    } finally {
      await options.limits.requests(request)
    }
  })
}

async function findOwner(request: FastifyRequest, options: OwnerOptions): Promise<AccountOwner> {
  const { email, verification, secret, refreshToken } = readSession(request)
  const isSignedIn = hasBearer(request) || refreshToken !== undefined
  if (hasBearer(request) || verification === undefined || (verification === 'unverified' && isSignedIn)) {
    return findSignedInOwner(request, options)
  }
  requireSameOrigin(request, options.config.publicUrl)
  const isVerified = verification === 'verified' && email !== undefined && secret !== undefined
  const account = isVerified ? await options.passwordless.find(email) : undefined
  if (!account || secret === undefined) throw new AppError('email_not_proved')
  if (!account.hasPassword) return { account, enrolment: { browserSecret: secret } }
  if (isSignedIn) return findSignedInOwner(request, options)
  throw new AppError('reauthentication_required')
}

async function findSignedInOwner(request: FastifyRequest, options: OwnerOptions): Promise<AccountOwner> {
  const { accounts, sessions } = options
  const caller = await authenticate(request, options)
  await sessions.requireRecentSignIn(caller.sessionId)
  const account = await accounts.find(caller.userId)
  if (!account.confirmedAt) throw new AppError('email_not_proved')
  return { account, enrolment: { sessionId: caller.sessionId } }
}
