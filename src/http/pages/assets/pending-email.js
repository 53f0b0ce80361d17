const KEY = 'email'

/**
 * Keeps the email address for the next page, until the tab is closed.
 * @param {string | undefined} email
 */
export function storePendingEmail(email) {
  if (email) sessionStorage.setItem(KEY, email)
}

/** The address that an email was requested for in this tab, or an empty string. */
export function pendingEmail() {
  return sessionStorage.getItem(KEY) ?? ''
}
