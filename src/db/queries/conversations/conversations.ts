import { and, count, desc, eq, inArray, isNotNull, isNull, type SQL, sql } from 'drizzle-orm'
import type { Orm } from '../../database.ts'
import { attachments, conversations, members, messageGroups, privatePairs, users } from '../../schema.ts'
import { unreadOf } from './unread.ts'

/** A conversation as its members see it. */
export interface Conversation {
  id: string
  private: boolean
  alias: string | null
  insertedAt: Date
  updatedAt: Date
}

const conversationColumns = {
  id: conversations.id,
  private: conversations.private,
  alias: conversations.alias,
  insertedAt: conversations.insertedAt,
  updatedAt: conversations.updatedAt,
}

export async function insertConversation(
  tx: Orm,
  values: { id: string; private: boolean; alias?: string | null },
): Promise<Conversation> {
  const [row] = await tx.insert(conversations).values(values).returning(conversationColumns)
  return row as Conversation
}

/** Locks the conversation until the transaction ends. */
export async function lockConversation(
  tx: Orm,
  id: string,
): Promise<(Conversation & { lastSeq: number }) | undefined> {
  const [row] = await tx
    .select({ ...conversationColumns, lastSeq: conversations.lastSeq })
    .from(conversations)
    .where(eq(conversations.id, id))
    .for('update')
  return row
}

export async function updateConversation(
  tx: Orm,
  id: string,
  { alias, membersChanged = false }: { alias?: string | null | undefined; membersChanged?: boolean },
): Promise<Conversation> {
  const [row] = await tx
    .update(conversations)
    .set({
      ...(alias !== undefined && { alias }),
      ...(membersChanged && { membersVersion: sql`${conversations.membersVersion} + 1` }),
      updatedAt: sql`now()`,
    })
    .where(eq(conversations.id, id))
    .returning(conversationColumns)
  return row as Conversation
}

/** Takes the next `seq` of a conversation that the transaction has locked. */
export async function takeSeq(tx: Orm, id: string, { membersChanged = false } = {}): Promise<number> {
  const [row] = await tx
    .update(conversations)
    .set({
      lastSeq: sql`${conversations.lastSeq} + 1`,
      ...(membersChanged && { membersVersion: sql`${conversations.membersVersion} + 1` }),
    })
    .where(eq(conversations.id, id))
    .returning({ seq: conversations.lastSeq })
  return (row as { seq: number }).seq
}

/** Deletes the conversation with everything in it, and marks its attachments for deletion. */
export async function deleteConversation(tx: Orm, id: string): Promise<void> {
  const isHere = eq(messageGroups.conversationId, id)
  // The indexes are partial: one for the tombstones, and one for all others.
  await tx.delete(messageGroups).where(and(isHere, isNull(messageGroups.deletedSeq)))
  await tx.delete(messageGroups).where(and(isHere, isNotNull(messageGroups.deletedSeq)))
  const isKept = and(eq(attachments.conversationId, id), isNull(attachments.releasedAt))
  await tx.update(attachments).set({ releasedAt: sql`now()` }).where(isKept)
  await tx.delete(conversations).where(eq(conversations.id, id))
}

/** How many of these users exist. */
export async function countUsers(db: Orm, ids: string[]): Promise<number> {
  const [row] = await db.select({ found: count() }).from(users).where(inArray(users.id, ids))
  return row?.found ?? 0
}

/** Records the private conversation of two users; false if they already have one. */
export async function insertPrivatePair(
  tx: Orm,
  conversationId: string,
  pair: [string, string],
): Promise<boolean> {
  const rows = await tx
    .insert(privatePairs)
    .values({ ...ordered(pair), conversationId })
    .onConflictDoNothing({ target: [privatePairs.lowUserId, privatePairs.highUserId] })
    .returning({ conversationId: privatePairs.conversationId })
  return rows.length > 0
}

export async function findPrivatePair(db: Orm, pair: [string, string]): Promise<string | null> {
  const { lowUserId, highUserId } = ordered(pair)
  const [row] = await db
    .select({ conversationId: privatePairs.conversationId })
    .from(privatePairs)
    .where(and(eq(privatePairs.lowUserId, lowUserId), eq(privatePairs.highUserId, highUserId)))
  return row?.conversationId ?? null
}

/** The order of lower-case text is the order of UUIDs in the database. */
function ordered(pair: [string, string]): { lowUserId: string; highUserId: string } {
  const [lowUserId, highUserId] = pair[0] < pair[1] ? pair : [pair[1], pair[0]]
  return { lowUserId, highUserId }
}

/** A conversation with the read position of one member. */
export interface ListedConversation extends Conversation {
  /** The `seq` of the latest change. */
  lastSeq: number
  /** The `seq` up to which the member has read. */
  readSeq: number
  unread: number
}

/** The conversations of a user, newest first: those older than `before`, at most `limit`. */
export function conversationsOf(
  db: Orm,
  userId: string,
  { before, limit }: { before?: string | undefined; limit: number },
): Promise<ListedConversation[]> {
  const reading = {
    lastSeq: conversations.lastSeq,
    readSeq: members.readSeq,
    unread: sql<number>`${sql.raw(unreadOf('members'))}`,
  }
  return db
    .select({ ...conversationColumns, ...reading })
    .from(members)
    .innerJoin(conversations, eq(conversations.id, members.conversationId))
    .where(and(eq(members.userId, userId), inArray(members.conversationId, newestIds(userId, before, limit))))
    .orderBy(desc(members.conversationId))
}

/** Ids sort by creation time (UUIDv7). The subquery reads only the index of memberships. */
export function newestIds(userId: string, before: string | undefined, limit: number): SQL {
  const isOlder = before === undefined ? sql`` : sql`and newest.conversation_id < ${before}`
  return sql`(
    select newest.conversation_id from members newest where newest.user_id = ${userId} ${isOlder}
    order by newest.conversation_id desc limit ${limit})`
}
