import { type Static, type TSchema, Type } from 'typebox'

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
