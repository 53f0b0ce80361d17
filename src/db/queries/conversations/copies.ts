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

/** The encoding in which to store the copies of a message. */
export function encodingOf(copies: readonly Copy[]): number {
  return copies.every(({ content }) => isBase64(content)) ? ENCODINGS.base64 : ENCODINGS.utf8
}

/** Whether texts of this encoding have neither quotes nor backslashes. */
export function isPlain(encoding: number): boolean {
  return encoding === ENCODINGS.base64
}

function isBase64(content: string): boolean {
  return content.length % 4 === 0 && Buffer.from(content, 'base64').toString('base64') === content
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

/**
 * The ids of the copies of a message: the message's own, with the last 48 bits XORed with the recipient's. So they need not be stored,
 * differ between messages as those do, sort by time alike, and remain valid UUIDs. Both ids are UUIDv7 (RFC 9562), which end in random
 * bits. The function `message_copy_id` of the database makes the same.
 */
export function copyIds(groupId: string): (recipientId: string) => string {
  const prefix = groupId.slice(0, HIGH)
  const [high, low] = [bitsAt(groupId, HIGH), bitsAt(groupId, LOW)]
  return (recipientId) => prefix + hex(high ^ bitsAt(recipientId, HIGH)) + hex(low ^ bitsAt(recipientId, LOW))
}

/** The positions of the last two groups of 24 bits in a UUID. Integers of this size are fast. */
const [HIGH, LOW] = [24, 30]

function bitsAt(id: string, position: number): number {
  return Number.parseInt(id.slice(position, position + 6), 16)
}

/** Six digits. */
function hex(bits: number): string {
  return (bits + 0x1000000).toString(16).slice(1)
}

/** An SQL expression for an array of copies as it is stored. @param texts an SQL expression of type `text[]`. */
export function storedCopies(encoding: string, texts: string): string {
  return `array(
    select case ${encoding} when ${ENCODINGS.base64} then decode(c, 'base64') else convert_to(c, 'UTF8') end from unnest(${texts}) c
  )`
}

/** Columns of a row of `message_groups` for one recipient: `id` if it is stored, `groupId`, and `content`. */
export function copyColumns(message: string, recipient: string): string {
  const at = (array: string) => `${message}.${array}[array_position(${message}.recipients, ${recipient})]`
  return `${at('copy_ids')} as id, ${message}.id as "groupId", case ${message}.copy_encoding
    when ${ENCODINGS.base64} then replace(encode(${at('copies')}, 'base64'), E'\\n', '')
    else convert_from(${at('copies')}, 'UTF8') end as content`
}

/** An SQL condition: whether a recipient has a copy. */
export function hasCopy(message: string, recipient: string): string {
  return `${recipient} = any(${message}.recipients)`
}
