import { bigint, customType, timestamp } from 'drizzle-orm/pg-core'

export const bytea = customType<{ data: Uint8Array; driverData: Uint8Array }>({ dataType: () => 'bytea' })

/** A time with milliseconds. */
export const time = (name: string) => timestamp(name, { withTimezone: true, precision: 3 })
/** A time with microseconds. A `Date` holds only the milliseconds. */
export const preciseTime = (name: string) => timestamp(name, { withTimezone: true, precision: 6 })
export const insertedAt = () => time('inserted_at').notNull().defaultNow()
export const updatedAt = () => time('updated_at').notNull().defaultNow()

/** A sequence number; counts up from 1. */
export const seq = (name: string) => bigint(name, { mode: 'number' })
