import { eq, type SQL, type SQLWrapper, sql } from 'drizzle-orm'
import type { Orm } from '../../database.ts'
import { conversations, members, profiles, users } from '../../schema.ts'
import { newestIds } from '../conversations/conversations.ts'
import { unreadOf } from '../conversations/unread.ts'
import { type Account, account, ownProfile, summary, type UserSummary } from './users.ts'

/** A conversation of a user, as JSON in a row; times are milliseconds since the epoch. */
export interface ConversationRow {
  id: string
  private: boolean
  alias: string | null
  insertedAt: number
  updatedAt: number
  lastSeq: number
  readSeq: number
}

/** The data of the response to a sign-in. */
export interface SignInRow<Row = ConversationRow & { unread: number }> {
  account: Account
  conversations: Row[]
  users: UserSummary[]
}

/**
 * An account, its newest conversations with unread messages, and their other members, in one statement. Returns up to one conversation
 * more than `limit`, without its members.
 */
export function findSignInDetails(orm: Orm, userId: string, limit: number): Promise<SignInRow | undefined> {
  return findDetails<SignInRow['conversations'][number]>(orm, userId, limit, {
    ...listed,
    unread: sql.raw(unreadOf('members')),
  })
}

/** The same without unread messages. The statement reads no message. */
export function findRefreshDetails(
  orm: Orm,
  userId: string,
  limit: number,
): Promise<SignInRow<ConversationRow> | undefined> {
  return findDetails<ConversationRow>(orm, userId, limit, listed)
}

const listed = {
  id: conversations.id,
  private: conversations.private,
  alias: conversations.alias,
  insertedAt: milliseconds(conversations.insertedAt),
  updatedAt: milliseconds(conversations.updatedAt),
  lastSeq: conversations.lastSeq,
  readSeq: members.readSeq,
}

async function findDetails<Row>(
  orm: Orm,
  userId: string,
  limit: number,
  columns: Record<keyof Row & string, SQLWrapper>,
): Promise<SignInRow<Row> | undefined> {
  const rows = await orm
    .select({
      account,
      conversations: sql<Row[]>`${conversationsJson(userId, limit + 1, columns)}`,
      users: contactsJson(userId, limit),
    })
    .from(users)
    .innerJoin(profiles, ownProfile)
    .where(eq(users.id, userId))
    .prepare('sign_in_details')
    .execute()
  return rows[0]
}

function conversationsJson(userId: string, limit: number, columns: Record<string, SQLWrapper>): SQL {
  return sql`(
    select coalesce(json_agg(${jsonObject(columns)} order by ${conversations.id} desc), '[]')
    from ${members} join ${conversations} on ${conversations.id} = ${members.conversationId}
    where ${members.userId} = ${userId} and ${members.conversationId} in ${newestIds(userId, undefined, limit)})`
}

function contactsJson(userId: string, limit: number) {
  // `users` refers to the inner table here.
  return sql<UserSummary[]>`(
    select coalesce(json_agg(${jsonObject(summary)} order by ${users.id}), '[]') from ${users}
    where ${users.id} <> ${userId} and ${users.id} in (
      select other.user_id from ${members} other
      where other.conversation_id in ${newestIds(userId, undefined, limit)}))`
}

function jsonObject(columns: Record<string, SQLWrapper>): SQL {
  const pairs = Object.entries(columns).map(([name, column]) => sql`${sql.raw(`'${name}'`)}, ${column}`)
  return sql`json_build_object(${sql.join(pairs, sql`, `)})`
}

function milliseconds(column: SQLWrapper): SQL {
  return sql`(extract(epoch from ${column}) * 1000)::float8`
}
