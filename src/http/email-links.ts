import type { EmailLinks } from '../domain/mail/email-templates.ts'

/**
 * The links of emails: to pages of this server, or of the client at `frontendUrl`.
 * @param publicUrl the address of this server, without a slash at the end.
 */
export function emailLinks({
  frontendUrl,
  publicUrl,
}: {
  frontendUrl: string
  publicUrl: string
}): EmailLinks {
  return {
    email_confirmation: (token) => `${frontendUrl}/email_confirmation?token=${token}`,
    password_reset: (token) => `${frontendUrl}/password_reset?token=${token}`,
    email_change: (token) => `${frontendUrl}/email_change?token=${token}`,
    email_verification: (token) => `${publicUrl}/api/v1/user/verify-email/complete/${token}/`,
    registration_denial: (token) => `${publicUrl}/api/v1/user/register/deny/${token}/`,
  }
}
