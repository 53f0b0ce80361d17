/** Whether PostgreSQL can store the text. It rejects NUL and lone surrogates. */
export function isStorable(text: string): boolean {
  return !text.includes('\0') && text.isWellFormed()
}

/** How many characters (code points) the text has, as PostgreSQL counts them. */
export function characterCount(text: string): number {
  let count = 0
  for (const _ of text) count += 1
  return count
}
