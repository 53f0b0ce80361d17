import { sql, type WithSubquery } from 'drizzle-orm'
import type { Orm } from '../database.ts'

/** A part of a statement, which inserts a row. Each subject makes those of its tables, and a use case runs them together. */
export type Insertion = WithSubquery

/** Runs insertions in one statement, which is one round trip and succeeds or fails as a whole. Their names must differ. */
export async function insertAll(orm: Orm, insertions: readonly Insertion[]): Promise<void> {
  await orm
    .with(...insertions)
    .select({ done: sql`true` })
    .from(sql`(select) done`)
    .prepare('insertions')
    .execute()
}
