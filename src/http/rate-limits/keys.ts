import type { FastifyRequest } from 'fastify'
import { canonicalEmail } from '../../canonical-email.ts'
import { networkOf } from '../device.ts'
import { callerIfKnown } from '../plugins/caller.ts'

/** The user of a request, or the network when it is not authenticated. */
export function userOrNetwork(request: FastifyRequest): string {
  return callerIfKnown(request)?.userId ?? networkOf(request)
}

/** The account that the `email` in the body names, whether it exists or not. */
export function typedAccount(request: FastifyRequest): string {
  return canonicalEmail(typedEmail(request).trim())
}

/** The `email` in the body. */
export function typedEmail({ body }: FastifyRequest): string {
  return (body as { email: string }).email
}
