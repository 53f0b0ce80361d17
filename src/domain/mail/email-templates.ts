import type { EmailDetails } from '../../db/queries/mail/outbox.ts'
import { escapeHtml } from '../../escape-html.ts'
import type { TokenContext } from '../accounts/one-time-tokens.ts'
import type { ClientDevice } from '../sessions/client-device.ts'
import { browserName } from '../sessions/user-agent.ts'

export type { EmailDetails } from '../../db/queries/mail/outbox.ts'

/** Emails that a user asks for; each has a link with a one-time token. */
export type RequestedEmailKind = Exclude<TokenContext, 'registration_denial'>

/** Emails that report a change of the account. They have no token, and are sent even if the account changes later. */
export type NoticeKind =
  | 'email_changed'
  | 'password_changed'
  | 'totp_added'
  | 'totp_removed'
  | 'recovery_code_used'
  | 'recovery_codes_replaced'
  | 'identity_linked'
  | 'keys_reset'

export type EmailKind = RequestedEmailKind | NoticeKind

/** Details of the request that caused an email. */
export function emailDetails({ ip, userAgent }: ClientDevice, now: Date): EmailDetails {
  const browser = userAgent ? browserName(userAgent) : undefined
  return { at: now.toISOString(), ...(ip && { ip }), ...(browser && { browser }) }
}

/** An email ready to be sent. */
export interface Email {
  /** The same on every delivery attempt. */
  id: string
  to: string
  subject: string
  text: string
  html: string
}

interface EmailTemplate {
  subject: string
  /** What has happened. */
  lead: string
  /** The label of the link; absent in a notice. */
  action?: string
  /** The label of the link for a reader who did not cause the email. */
  denial?: string
  /** Lifetime of the link, and advice. */
  closing: string
}

const IGNORE = 'If you did not request this, ignore this email.'

const NOT_YOU =
  'If you did not do this, reset your password now and contact the administrator of this server.'

const TEMPLATES: Record<EmailKind, EmailTemplate> = {
  email_confirmation: {
    subject: 'Confirm your email address',
    lead: 'An account was created with this email address, and a password was set.',
    action: 'If you created it, confirm your email address',
    denial: 'If you did not create it, remove the password and sign out every device',
    closing: 'The links expire in 7 days.',
  },
  password_reset: {
    subject: 'Reset your password',
    lead: 'A password reset was requested for your account.',
    action: 'Set a new password',
    closing: `The link expires in 24 hours. ${IGNORE} Your password stays the same.`,
  },
  email_change: {
    subject: 'Change your email address',
    lead: 'A change of email address was requested from a signed-in session of your account.',
    action: 'Enter a new email address',
    closing: `The link expires in 7 days. ${IGNORE} Your email address stays the same.`,
  },
  email_verification: {
    subject: 'Verify your email address',
    lead: 'A sign-in with this email address was started.',
    action: 'Verify your email address and continue',
    closing: `The link expires in 10 minutes, or when you request another one. ${IGNORE}`,
  },
  email_changed: {
    subject: 'Your email address was changed',
    lead: 'The email address of your account was changed. This address no longer belongs to it.',
    closing: 'If you did not do this, contact the administrator of this server.',
  },
  password_changed: {
    subject: 'Your password was changed',
    lead: 'The password of your account was changed. All sessions were signed out.',
    closing: NOT_YOU,
  },
  totp_added: {
    subject: 'An authenticator app was added',
    lead: 'An authenticator app was added to your account. Signing in now requires a code from it.',
    closing: NOT_YOU,
  },
  totp_removed: {
    subject: 'Your authenticator app was removed',
    lead: 'The authenticator app was removed from your account. Signing in no longer requires a code.',
    closing: NOT_YOU,
  },
  recovery_code_used: {
    subject: 'A recovery code was used',
    lead: 'A recovery code was used to sign in to your account or to change its settings. The code cannot be used again.',
    closing: NOT_YOU,
  },
  recovery_codes_replaced: {
    subject: 'Your recovery codes were replaced',
    lead: 'New recovery codes were generated for your account. The old ones no longer work.',
    closing: NOT_YOU,
  },
  identity_linked: {
    subject: 'A sign-in method was added',
    lead: 'An account at another provider was linked to your account and can now sign in to it.',
    closing: NOT_YOU,
  },
  keys_reset: {
    subject: 'Your encryption keys were reset',
    lead: 'New encryption keys were set for your account without the earlier ones. The people you talk to are told.',
    closing: NOT_YOU,
  },
}

/** Whether an email is a notice, which has no link. */
export function isNotice(kind: EmailKind): kind is NoticeKind {
  return TEMPLATES[kind].action === undefined
}

/** Whether this version has a template for the kind: a newer node may have queued the email. */
export function isEmailKind(kind: string): kind is EmailKind {
  return Object.hasOwn(TEMPLATES, kind)
}

/** Makes the links of emails, by what their token is for. */
export type EmailLinks = Readonly<Record<TokenContext, (token: string) => string>>

/** Renders an email as text and HTML; `link` is absent in notices. */
export function renderEmail(
  kind: EmailKind,
  { link, denyLink, details }: { link?: string; denyLink?: string; details?: EmailDetails | null } = {},
): Omit<Email, 'id' | 'to'> {
  const { subject, lead, action, denial, closing } = TEMPLATES[kind]
  const links = [
    [action, link],
    [denial, denyLink],
  ].filter((one): one is [string, string] => !one.includes(undefined))
  const cause = details ? [causeOf(details)] : []
  const text = [lead, ...cause, ...links.map(([label, url]) => `${label}:\n${url}`), closing]
  const html = [
    escapeHtml(lead),
    ...cause.map(escapeHtml),
    ...links.map(([label, url]) => `<a href="${escapeHtml(url)}">${escapeHtml(label)}</a>`),
    escapeHtml(closing),
  ]
  return {
    subject,
    text: `${text.join('\n\n')}\n`,
    html: `<!doctype html>\n<html lang="en">\n<body>\n${html.map((part) => `<p>${part}</p>`).join('\n')}\n</body>\n</html>\n`,
  }
}

function causeOf({ at, ip, browser }: EmailDetails): string {
  const time = `on ${at.slice(0, 10)} at ${at.slice(11, 16)} UTC`
  const client = [ip && `from the network address ${ip}`, browser && `with ${browser}`]
  return `This happened ${[time, ...client].filter(Boolean).join(', ')}.`
}
