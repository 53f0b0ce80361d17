/** Maximum weight of a JSON text. An array item weighs 1; an object member, an object and an array weigh 4. */
export const MAX_JSON_WEIGHT = 16_384

const NESTED_WEIGHT = 4

const QUOTE = 0x22
const COMMA = 0x2c
const COLON = 0x3a
const OPEN_ARRAY = 0x5b
const BACKSLASH = 0x5c
const CLOSE_ARRAY = 0x5d
const OPEN_OBJECT = 0x7b
const CLOSE_OBJECT = 0x7d

/** A JSON text that is quick to parse. */
export interface LightJson {
  text: string
  /** Whether parts were replaced by null. */
  isCut: boolean
}

/**
 * Limits the time to parse a JSON text, without parsing it: a few hundred kilobytes of small objects take a hundred times as
 * long as a string of that length. Replaces nested objects and arrays that exceed the weight by null.
 * @returns undefined if the text is too heavy even then.
 */
export function cutHeavyParts(
  text: string,
  maxWeight = MAX_JSON_WEIGHT,
  nestedWeight = NESTED_WEIGHT,
): LightJson | undefined {
  if (text.length * nestedWeight <= maxWeight) return { text, isCut: false }
  let light = ''
  let copiedUpTo = 0
  let weight = 0
  let depth = 0
  /** The start of the current second-level value, and the weight before it. */
  let nested = { start: 0, weight: 0 }
  for (let index = 0; index < text.length; index++) {
    switch (text.charCodeAt(index)) {
      case QUOTE:
        index = endOfString(text, index)
        break
      case COMMA:
        weight += 1
        break
      case COLON:
        weight += nestedWeight
        break
      case OPEN_ARRAY:
      case OPEN_OBJECT:
        depth += 1
        if (depth === 2) nested = { start: index, weight }
        weight += nestedWeight
        break
      case CLOSE_ARRAY:
      case CLOSE_OBJECT:
        if (depth === 2 && weight > maxWeight) {
          light += `${text.slice(copiedUpTo, nested.start)}null`
          copiedUpTo = index + 1
          weight = nested.weight
        }
        depth -= 1
    }
  }
  if (weight > Math.max(maxWeight, ENVELOPE_WEIGHT)) return undefined
  return copiedUpTo === 0 ? { text, isCut: false } : { text: light + text.slice(copiedUpTo), isCut: true }
}

/** More than the weight of a message without its payload. */
const ENVELOPE_WEIGHT = 64

/** The index of the closing quote of a string; the length of the text if there is none. */
function endOfString(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); end >= 0; end = text.indexOf('"', end + 1)) {
    let slashes = 0
    while (text.charCodeAt(end - 1 - slashes) === BACKSLASH) slashes += 1
    if (slashes % 2 === 0) return end
  }
  return text.length
}
