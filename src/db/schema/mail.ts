import { index, integer, json, pgTable, text, uuid } from 'drizzle-orm/pg-core'
import { users } from './accounts.ts'
import { insertedAt, time } from './columns.ts'

/** Emails to send. Has no secrets: the worker issues the token when it sends the email. */
export const mailOutbox = pgTable(
  'mail_outbox',
  {
    id: uuid('id').primaryKey(),
    kind: text('kind').notNull(),
    userId: uuid('user_id').references(() => users.id, { onDelete: 'cascade' }),
    recipient: text('recipient').notNull(),
    /** The request that caused the email. */
    details: json('details').$type<{ at: string; ip?: string; browser?: string }>(),
    insertedAt: insertedAt(),
    attempts: integer('attempts').notNull().default(0),
    nextAttemptAt: time('next_attempt_at').notNull().defaultNow(),
  },
  (t) => [index('mail_outbox_due').on(t.nextAttemptAt)],
)
