/** Strings and numbers of a JSON text. Strings are matched so that digits inside of them are not. */
const TOKEN = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?/g
const LARGE_INTEGER = /^-?\d{16,}$/

/** Whether a parsed number may differ from its text. */
export function isInexact(value: unknown): boolean {
  return typeof value === 'number' && !Number.isSafeInteger(value)
}

/** Parses a JSON text with its large integers as strings. Slow: for the few texts with an inexact number that matters. */
export function parseExactly(text: string): unknown {
  return JSON.parse(text.replace(TOKEN, (token) => (LARGE_INTEGER.test(token) ? `"${token}"` : token)))
}
