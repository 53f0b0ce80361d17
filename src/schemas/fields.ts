import { type Static, type TSchema, type TStringOptions, Type } from 'typebox'

/** Text that PostgreSQL can store: no NUL, no half of a surrogate pair. */
const STORABLE = '^[^\\u0000\\p{Cs}]*$'
/** The `uuid` format also allows `urn:uuid:`, which PostgreSQL rejects. */
const UUID = '^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$'
const PAGE_SIZE = '^([1-9][0-9]?|100)$'
const SEQ = '^[0-9]{1,15}$'

/** What a pattern of this file demands, for error messages. */
export const PATTERN_MESSAGES: Record<string, string> = {
  [STORABLE]: 'has characters that cannot be stored',
  [UUID]: 'must be a UUID',
  [PAGE_SIZE]: 'must be a whole number from 1 to 100',
  [SEQ]: 'must be a whole number, not negative',
}

/** A string schema for text that may be stored. Lengths count code points, as PostgreSQL does. */
export function Text(options: Omit<TStringOptions, 'pattern'> = {}) {
  return Type.String({ ...options, pattern: STORABLE })
}

/** A string schema for a UUID that PostgreSQL accepts. */
export function Uuid(options: Omit<TStringOptions, 'pattern' | 'format'> = {}) {
  return Type.String({ ...options, pattern: UUID })
}

/** A schema for `page_size` in a query string: a whole number from 1 to 100, as text. */
export const PageSizeText = Type.String({ pattern: PAGE_SIZE, description: 'From 1 to 100; 20 if absent.' })

/** A schema for a `seq` of a conversation in a query string. */
export function SeqText(description: string) {
  return Type.String({ pattern: SEQ, description })
}

/** An id in a response. */
export const Id = Type.String({ format: 'uuid' })

/** A timestamp in a response, in the format of the dialect. */
export const Time = Type.String({ description: 'UTC, with milliseconds.' })

/** Text or null in a response. Serialization of a union would try its branches for every value. */
export function NullableText(description: string) {
  return Type.Unsafe<string | null>({ type: ['string', 'null'], description })
}

/**
 * A list in a request. The items of a list that is too long are not validated: every error is reported, and reporting a
 * megabyte of invalid items would take long.
 */
export function List<Item extends TSchema>(
  items: Item,
  { maxItems, description }: { maxItems: number; description: string },
) {
  return Type.Unsafe<Static<Item>[]>({
    type: 'array',
    description,
    maxItems,
    if: { maxItems },
    // biome-ignore lint/suspicious/noThenProperty: the keyword of JSON Schema.
    then: { items },
  })
}
