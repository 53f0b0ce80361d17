import { index, integer, pgTable, text, uuid } from 'drizzle-orm/pg-core'
import { users } from './accounts.ts'
import { insertedAt } from './columns.ts'

/** Security events of an account, for its owner. */
export const auditEvents = pgTable(
  'audit_events',
  {
    /** UUIDv7: ids sort by time. */
    id: uuid('id').primaryKey(),
    userId: uuid('user_id')
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    kind: text('kind').notNull(),
    sessionId: uuid('session_id'),
    ip: text('ip'),
    userAgent: text('user_agent'),
    /** How many events the row represents. */
    count: integer('count').notNull().default(1),
    insertedAt: insertedAt(),
  },
  (t) => [index('audit_events_user').on(t.userId, t.id), index('audit_events_inserted').on(t.insertedAt)],
)
