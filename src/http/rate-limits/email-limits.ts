import type { FastifyRequest } from 'fastify'
import { mailboxOf } from '../../canonical-email.ts'
import type { Accounts } from '../../domain/accounts/accounts.ts'
import type { RequestedEmailKind } from '../../domain/mail/email-templates.ts'
import { AppError } from '../../errors.ts'
import { networkOf } from '../device.ts'
import { callerIfKnown } from '../plugins/caller.ts'
import { typedAccount, typedEmail } from './keys.ts'
import type { Limiter, RateLimit } from './limiter.ts'

/** The limits of sending emails. */
export interface EmailLimits {
  /** Requested emails: by account and kind, by network, and by mailbox. */
  emails: Record<RequestedEmailKind, RateLimit>
  /**
   * Counts the email of a registration. Returns false when it exceeds a limit: the registration succeeds without an email, and its
   * user can request one later.
   */
  allowsRegistrationEmail(request: FastifyRequest): Promise<boolean>
}

export interface EmailLimitOptions {
  enabled: boolean
  accounts: Pick<Accounts, 'find'>
}

/** Creates the limits of sending emails. */
export function emailLimits(limiter: Limiter, { enabled, accounts }: EmailLimitOptions): EmailLimits {
  const byNetwork = limiter.limit('emails from network', { max: 30 })
  const byMailbox = limiter.limit('emails to sub-addresses', { max: 5 })

  return {
    emails: {
      email_confirmation: requested('email_confirmation'),
      email_change: requested('email_change'),
      password_reset: requested('password_reset'),
      email_verification: requested('email_verification'),
    },
    async allowsRegistrationEmail(request) {
      try {
        await countByNetwork(request)
        await countByMailbox(request)
        return true
      } catch (error) {
        if (error instanceof AppError && error.code === 'rate_limited') return false
        throw error
      }
    },
  }

  function requested(kind: RequestedEmailKind): RateLimit {
    const byAccount = limiter.limit(kind, { max: 1 })
    return async (request) => {
      await countByNetwork(request)
      await byAccount(callerIfKnown(request)?.userId ?? typedAccount(request))
      await countByMailbox(request)
    }
  }

  async function countByNetwork(request: FastifyRequest): Promise<void> {
    if (enabled) await byNetwork(networkOf(request))
  }

  /** Sub-addresses of a mailbox share a limit. The mailbox itself is not counted, so that others cannot use up its emails. */
  async function countByMailbox(request: FastifyRequest): Promise<void> {
    if (!enabled) return
    const mailbox = mailboxOf(await recipientOf(request))
    if (mailbox !== undefined) await byMailbox(mailbox)
  }

  async function recipientOf(request: FastifyRequest): Promise<string> {
    const caller = callerIfKnown(request)
    if (!caller) return typedEmail(request).trim()
    const { email } = await accounts.find(caller.userId)
    return email
  }
}
