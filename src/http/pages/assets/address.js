const KEY = 'address'

/**
 * Keeps the address for the next page, as long as this tab is open.
 * @param {string | undefined} email
 */
export function rememberAddress(email) {
  if (email) sessionStorage.setItem(KEY, email)
}

/** The address that a letter was asked for in this tab, or an empty text. */
export function knownAddress() {
  return sessionStorage.getItem(KEY) ?? ''
}
