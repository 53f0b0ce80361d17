import { domainToASCII } from 'node:url'

/**
 * The spelling by which addresses are compared: NFC, ASCII letters in lower case, the domain converted by IDNA. Other letters are
 * not folded, because that would merge distinct mailboxes. Emails are sent to the address as entered.
 */
export function canonicalEmail(email: string): string {
  const plain = email.normalize('NFC').replace(/[A-Z]+/g, (letters) => letters.toLowerCase())
  const at = plain.lastIndexOf('@') + 1
  const domain = plain.slice(at)
  return at > 0 && isInternational(domain) ? plain.slice(0, at) + (domainToASCII(domain) || domain) : plain
}

/** The mailbox of an address with a subaddress (RFC 5233): `ann@example.com` for `ann+news@example.com`. Undefined for other addresses. */
export function mailboxOf(email: string): string | undefined {
  const [, name, domain] = /^([^+]+)\+.*(@[^@]*)$/s.exec(canonicalEmail(email)) ?? []
  return name === undefined ? undefined : `${name}${domain}`
}

/** Whether IDNA changes the domain. `domainToASCII` parses a URL, so that characters of its other parts are excluded. */
function isInternational(domain: string): boolean {
  return /^[a-z0-9._\-\u0080-\u{10ffff}]+$/u.test(domain) && /[^a-z0-9._-]/.test(domain)
}
