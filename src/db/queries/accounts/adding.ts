import { and, eq, inArray, isNull, not, or, sql } from 'drizzle-orm'
import type { Orm } from '../../database.ts'
import { profiles, users } from '../../schema.ts'
import { uuidArray } from '../array-literal.ts'
import { areContacts } from './contacts.ts'

/** Whether any of some users does not allow another user to add them. */
export async function refusesBeingAdded(tx: Orm, adderId: string, userIds: string[]): Promise<boolean> {
  const isRefused = or(
    eq(profiles.whoCanAdd, 'nobody'),
    and(eq(profiles.whoCanAdd, 'contacts'), not(areContacts(profiles.userId, sql`${adderId}::uuid`))),
  )
  const rows = await tx
    .select({ userId: profiles.userId })
    .from(profiles)
    .where(and(inArray(profiles.userId, userIds), isRefused))
    .limit(1)
  return rows.length > 0
}

/** Whether the email address of a user is unconfirmed. */
export async function isUnconfirmed(orm: Orm, userId: string): Promise<boolean> {
  const rows = await orm
    .select({ id: users.id })
    .from(users)
    .where(and(eq(users.id, userId), isNull(users.emailConfirmedAt)))
  return rows.length > 0
}

/** Whether the email address of a user is unconfirmed, and any of some others is not their contact. */
export async function isUnconfirmedNonContact(
  orm: Orm,
  userId: string,
  otherIds: readonly string[],
): Promise<boolean> {
  const rows = await orm
    .select({ id: users.id })
    .from(users)
    .where(
      and(
        eq(users.id, userId),
        isNull(users.emailConfirmedAt),
        sql`exists (
          select from unnest(${uuidArray(otherIds)}::uuid[]) as added (id)
          where not ${areContacts(users.id, sql`added.id`)})`,
      ),
    )
  return rows.length > 0
}
