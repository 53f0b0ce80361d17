/** An array of UUIDs as a PostgreSQL literal: the drivers would quote and escape every item, which UUIDs do not need. */
export function uuidArray(ids: Iterable<string>): string {
  return `{${[...ids].join(',')}}`
}

/** An array of integers as a PostgreSQL literal. */
export function intArray(numbers: readonly number[]): string {
  return `{${numbers.join(',')}}`
}

/** An array of texts as a PostgreSQL literal. */
export function textArray(texts: readonly string[]): string {
  return `{${texts.map(quoted).join(',')}}`
}

/** An array of texts without quotes and backslashes as a PostgreSQL literal. */
export function plainTextArray(texts: readonly string[]): string {
  return texts.length ? `{"${texts.join('","')}"}` : '{}'
}

/** Like `textArray`, with nulls for absent texts. */
export function nullableTextArray(texts: readonly (string | undefined)[]): string {
  return `{${texts.map((text) => (text === undefined ? 'null' : quoted(text))).join(',')}}`
}

function quoted(text: string): string {
  return text.includes('"') || text.includes('\\') ? `"${text.replace(/["\\]/g, '\\$&')}"` : `"${text}"`
}
