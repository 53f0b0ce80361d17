import { and, desc, eq, lt, ne, or, type SQL, sql } from 'drizzle-orm'
import type { Orm } from '../../database.ts'
import { users } from '../../schema.ts'
import { contactsOf } from './contacts.ts'
import { hasPart, hasPartOfName } from './name-search.ts'
import { hasEmail, summary, type UserSummary } from './users.ts'

/** Selects the users to list: newest first, created before the user `before`, matching `search`. */
export interface UserListQuery {
  /** Excluded from the list. */
  caller: string
  search: string
  before: string | undefined
  limit: number
}

/** Lists all users, or those whose email or display name contains the search text. */
export async function listUsers(orm: Orm, query: UserListQuery): Promise<UserSummary[]> {
  const matches = query.search ? hasPart(query.search) : undefined
  return orm
    .select(summary)
    .from(users)
    .where(and(isListed(query), matches))
    .orderBy(desc(users.id))
    .limit(query.limit)
}

/** A user in a directory of members, with the data that decides which fields the reader may see. */
export interface ListedUser extends UserSummary {
  username: string
  /** Whether the user shares a conversation or a room with the reader. */
  isContact: boolean
}

/** Lists the contacts of a user. A search also finds other users, by the whole email or a part of the display name. */
export async function listContacts(orm: Orm, query: UserListQuery): Promise<ListedUser[]> {
  const { caller, search, limit } = query
  const contacts = orm.$with('contacts').as(contactsOf(orm, caller))
  const isContact = sql<boolean>`${users.id} in (select ${contacts.id} from ${contacts})`
  const listed = { ...summary, username: users.username, isContact }
  const known = await orm
    .with(contacts)
    .select(listed)
    .from(contacts)
    .innerJoin(users, eq(users.id, contacts.id))
    .where(and(isListed(query), search ? hasPart(search) : undefined))
    .orderBy(desc(users.id))
    .limit(limit)
  if (!search) return known
  // A separate query: in one, PostgreSQL would use an index that fits only half of the condition.
  const found = await orm
    .with(contacts)
    .select(listed)
    .from(users)
    .where(and(isListed(query), or(hasEmail(search.trim()), hasPartOfName(search))))
    .orderBy(desc(users.id))
    .limit(limit)
  const all = new Map([...known, ...found].map((user) => [user.id, user]))
  return [...all.values()].sort((one, other) => (one.id < other.id ? 1 : -1)).slice(0, limit)
}

function isListed({ caller, before }: UserListQuery): SQL | undefined {
  return and(ne(users.id, caller), before ? lt(users.id, before) : undefined)
}
