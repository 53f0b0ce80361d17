import { bigint, customType, timestamp } from 'drizzle-orm/pg-core'

/** Bytes. */
export const bytea = customType<{ data: Uint8Array; driverData: Uint8Array }>({ dataType: () => 'bytea' })

/** A moment, to the millisecond. */
export const time = (name: string) => timestamp(name, { withTimezone: true, precision: 3 })
export const insertedAt = () => time('inserted_at').notNull().defaultNow()
export const updatedAt = () => time('updated_at').notNull().defaultNow()

/** A place in an order that counts up from 1. */
export const seq = (name: string) => bigint(name, { mode: 'number' })
