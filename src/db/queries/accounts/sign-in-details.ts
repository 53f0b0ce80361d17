import { eq, type SQL, type SQLWrapper, sql } from 'drizzle-orm'
import type { Orm } from '../../database.ts'
import { conversations, members, profiles, users } from '../../schema.ts'
import { newestIds } from '../conversations/conversations.ts'
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

/** The data of the response to a refresh. */
export interface SignInRow {
  account: Account
  conversations: ConversationRow[]
  users: UserSummary[]
}

/**
 * An account, its newest conversations, and their other members, in one statement that reads no message. Returns up to one
 * conversation more than `limit`, without its members.
 */
export async function findSignInDetails(
  orm: Orm,
  userId: string,
  limit: number,
): Promise<SignInRow | undefined> {
  const rows = await orm
    .select({
      account,
      conversations: conversationsJson(userId, limit + 1),
      users: contactsJson(userId, limit),
    })
    .from(users)
    .innerJoin(profiles, ownProfile)
    .where(eq(users.id, userId))
  return rows[0]
}

function conversationsJson(userId: string, limit: number) {
  const listed = jsonObject({
    id: conversations.id,
    private: conversations.private,
    alias: conversations.alias,
    insertedAt: milliseconds(conversations.insertedAt),
    updatedAt: milliseconds(conversations.updatedAt),
    lastSeq: conversations.lastSeq,
    readSeq: members.readSeq,
  })
  return sql<ConversationRow[]>`(
    select coalesce(json_agg(${listed} order by ${conversations.id} desc), '[]')
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
