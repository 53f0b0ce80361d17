/** One recipient's encrypted copy of a message. */
export interface Copy {
  id: string
  recipientId: string
  content: string
}

/**
 * How the copies of a message are stored (`message_groups.copy_encoding`): as UTF-8; or, if all are Base64 (RFC 4648, section 4)
 * that decoding and encoding reproduce, decoded, which takes a quarter less space. Most ciphertext is.
 */
const ENCODINGS = { utf8: 0, base64: 1 }

/** With padding, whose unused bits are zero. */
const BASE64 = /^[A-Za-z0-9+/]*(?:[AQgw]==|[AEIMQUYcgkosw048]=)?$/

/** The encoding in which to store the copies of a message. */
export function encodingOf(copies: readonly Copy[]): number {
  return copies.every(({ content }) => isBase64(content)) ? ENCODINGS.base64 : ENCODINGS.utf8
}

function isBase64(content: string): boolean {
  return content.length % 4 === 0 && BASE64.test(content)
}

/** The copies of a message in the order in which they are stored, with their ids. */
export function copiesOf(groupId: string, contents: ReadonlyMap<string, string>): Copy[] {
  const idOf = copyIds(groupId)
  return [...contents.keys()].sort().map((recipientId) => ({
    id: idOf(recipientId),
    recipientId,
    content: contents.get(recipientId) as string,
  }))
}

/** Characters of a UUID before its last 48 bits, in two parts: bitwise operators take 32 bits. */
const PREFIX_LENGTH = 24
const HIGH_LENGTH = 4

/**
 * The ids of the copies of a message: the message's own, with the last 48 bits XORed with the recipient's. So they need not be
 * stored, differ between messages as those do, sort by time alike, and remain valid UUIDs. Both ids are UUIDv7 (RFC 9562), which
 * end in random bits. The function `message_copy_id` of the database makes the same.
 */
export function copyIds(groupId: string): (recipientId: string) => string {
  const prefix = groupId.slice(0, PREFIX_LENGTH)
  const [high, low] = lastBits(groupId)
  return (recipientId) => {
    const [otherHigh, otherLow] = lastBits(recipientId)
    return prefix + hex(high ^ otherHigh, HIGH_LENGTH) + hex((low ^ otherLow) >>> 0, 8)
  }
}

function lastBits(id: string): [number, number] {
  const middle = PREFIX_LENGTH + HIGH_LENGTH
  return [Number.parseInt(id.slice(PREFIX_LENGTH, middle), 16), Number.parseInt(id.slice(middle), 16)]
}

function hex(bits: number, length: number): string {
  return bits.toString(16).padStart(length, '0')
}

/** An SQL expression for an array of copies as it is stored. @param texts an SQL expression of type `text[]`. */
export function storedCopies(encoding: string, texts: string): string {
  return `case ${encoding} when ${ENCODINGS.base64} then array(select decode(c, 'base64') from unnest(${texts}) c)
    else array(select convert_to(c, 'UTF8') from unnest(${texts}) c) end`
}

/** Columns of a row of `message_groups` for one recipient: `id` if it is stored, `groupId`, and `content`. */
export function copyColumns(message: string, recipient: string): string {
  const at = (array: string) => `${message}.${array}[array_position(${message}.recipients, ${recipient})]`
  return `${at('copy_ids')} as id, ${message}.id as "groupId", case ${message}.copy_encoding
    when ${ENCODINGS.base64} then translate(encode(${at('copies')}, 'base64'), E'\\n', '')
    else convert_from(${at('copies')}, 'UTF8') end as content`
}

/** An SQL condition: whether a recipient has a copy. */
export function hasCopy(message: string, recipient: string): string {
  return `${recipient} = any(${message}.recipients)`
}
