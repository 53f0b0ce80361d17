/** Whether PostgreSQL can store the text: it takes neither NUL nor half a surrogate pair. */
export function isStorable(text: string): boolean {
  return !text.includes('\0') && !/\p{Surrogate}/u.test(text)
}

/** How many characters (code points) the text has, as PostgreSQL counts them. */
export function characterCount(text: string): number {
  return [...text].length
}
