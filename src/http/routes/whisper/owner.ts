import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Account } from '../../../domain/accounts.ts'
import { AppError } from '../../../errors.ts'
import type { WhisperOptions } from '../../options.ts'
import { rememberCaller } from '../../plugins/authenticate.ts'
import { callerFrom, hasBearer, requireSameOrigin, whisperSession } from '../../plugins/session.ts'

/** Who sets up an authenticator app, and the session they do it in, if it is one. */
interface Owner {
  account: Account
  sessionId?: string
}

type OwnerServices = Pick<WhisperOptions, 'accounts' | 'passwordless' | 'limits'>

const OWNER = 'owner'

/**
 * Lets only those reach the routes of `app` whose account it is: signed in, or with an address that is proved and not only
 * claimed. The address is never taken from the request.
 */
export function requireOwner(app: FastifyInstance, services: OwnerServices): void {
  app.decorateRequest(OWNER, null)
  app.addHook('onRequest', async (request) => {
    try {
      request.setDecorator<Owner>(OWNER, await findOwner(request, services))
    } finally {
      await services.limits.requests(request)
    }
  })
}

/** The owner of a request that needs one. */
export function ownerOf(request: FastifyRequest): Owner {
  return request.getDecorator<Owner>(OWNER)
}

async function findOwner(request: FastifyRequest, { accounts, passwordless }: OwnerServices): Promise<Owner> {
  const { email, proof, refreshToken } = whisperSession(request)
  if (hasBearer(request) || proof !== 'proved') {
    if (proof === 'claimed' && !hasBearer(request) && !refreshToken) throw new AppError('email_not_proved')
    const caller = await callerFrom(request)
    rememberCaller(request, caller)
    return { account: await accounts.find(caller.userId), sessionId: caller.sessionId }
  }
  requireSameOrigin(request)
  const account = email === undefined ? undefined : await passwordless.find(email)
  if (!account) throw new AppError('email_not_proved')
  return { account }
}
