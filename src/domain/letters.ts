import type { TokenContext } from './tokens.ts'

/** What a letter is about; all but the notice of a change carry a token. */
export type LetterKind = TokenContext | 'email_changed'

/** A letter ready to be sent. */
export interface Letter {
  /** The same each time this letter is tried. */
  id: string
  to: string
  subject: string
  text: string
  html: string
}

interface Wording {
  subject: string
  /** What has happened. */
  lead: string
  /** What the link is for; a letter without a link has none. */
  action?: string
  /** What else the reader should know. */
  closing: string
}

const IGNORE = 'If you did not ask for this, you can ignore this letter.'

const WORDINGS: Record<LetterKind, Wording> = {
  email_confirmation: {
    subject: 'Confirm your email address',
    lead: 'This address was given for an account.',
    action: 'Confirm that it is yours',
    closing: `The link is good for 7 days. ${IGNORE}`,
  },
  password_reset: {
    subject: 'Reset your password',
    lead: 'Somebody asked to reset the password of your account.',
    action: 'Choose a new password',
    closing: `The link is good for one day. ${IGNORE} Your password stays as it is.`,
  },
  email_change: {
    subject: 'Change your email address',
    lead: 'Somebody who is signed in to your account asked to change its email address.',
    action: 'Choose a new address',
    closing: `The link is good for 7 days. ${IGNORE} Your address stays as it is.`,
  },
  email_verification: {
    subject: 'Prove that this address is yours',
    lead: 'Somebody, you we hope, wants to sign in with this address.',
    action: 'Prove that it is yours, and go on',
    closing: `The link is good for 10 minutes, and only until you ask for another. ${IGNORE}`,
  },
  email_changed: {
    subject: 'Your email address was changed',
    lead: 'Your account now has another email address, and this one no longer belongs to it.',
    closing: 'If this was not you, tell the people who run this server.',
  },
}

/** Whether this version knows how to write such a letter. */
export function isLetterKind(kind: string): kind is LetterKind {
  return Object.hasOwn(WORDINGS, kind)
}

/** Where links lead: to pages of the site's own client, or of this server. */
export interface LinkTargets {
  frontendUrl: string
  publicUrl: string
}

/** Where the link of a letter leads. */
export function letterLink(
  { frontendUrl, publicUrl }: LinkTargets,
  context: TokenContext,
  token: string,
): string {
  if (context === 'email_verification') return `${publicUrl}/api/v1/user/verify-email/complete/${token}/`
  return `${frontendUrl}/${context}?token=${token}`
}

/** Writes a letter; `link` is left out of those that have nothing to click. */
export function writeLetter(kind: LetterKind, link?: string): Omit<Letter, 'id' | 'to'> {
  const { subject, lead, action, closing } = WORDINGS[kind]
  const withLink = link !== undefined && action !== undefined
  const text = [lead, ...(withLink ? [`${action}:\n${link}`] : []), closing]
  const html = [
    escapeHtml(lead),
    ...(withLink ? [`<a href="${escapeHtml(link)}">${escapeHtml(action)}</a>`] : []),
    escapeHtml(closing),
  ]
  return {
    subject,
    text: `${text.join('\n\n')}\n`,
    html: `<!doctype html>\n<html lang="en">\n<body>\n${html.map((part) => `<p>${part}</p>`).join('\n')}\n</body>\n</html>\n`,
  }
}

const ENTITIES: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character]!)
}
