import { inArray, sql } from 'drizzle-orm'
import type { Database } from '../../database.ts'
import { conversations, messageGroups } from '../../schema.ts'
import { intArray, nullableTextArray, plainTextArray, textArray, uuidArray } from '../array-literal.ts'
import { type Copy, encodingOf, isPlain } from './copies.ts'
import { sendStatement } from './send-statement.ts'

/** A message to be stored. Its ids are generated beforehand, so that it can be found if the commit outcome is unknown. */
export interface Draft {
  conversationId: string
  senderId: string
  groupId: string
  /** A UUID of the sender, as an idempotency key. */
  clientMessageId?: string | undefined
  /** In the order of the recipients' ids. */
  copies: Copy[]
  /** The ciphertext that all copies refer to. */
  shared?: string | undefined
  /** The ids of uploads of the sender that the message binds. */
  attachments?: readonly string[] | undefined
}

/** The `seq` a message got, and its time in milliseconds since the epoch, with the microseconds as a fraction. */
export interface Placed {
  verdict: 'ok'
  seq: number
  insertedAt: number
}

/** A message whose client message id was used before, and the earlier message. */
export interface Repeated extends Omit<Placed, 'verdict'> {
  verdict: 'repeated'
  groupId: string
}

/**
 * Why a message was not stored. `stale`: retry it, because the members changed while the statement waited for the lock, or the
 * message that it repeats, or one that binds the same attachment, is in the same batch.
 */
export interface Refused {
  verdict: 'stale' | 'no_conversation' | 'not_enough_recipients' | 'too_many_recipients' | 'no_attachment'
}

/** The outcome of one message. */
export type Outcome = Placed | Repeated | Refused

/**
 * Stores the valid messages of a batch in one statement, which is one transaction, in the given order.
 * @returns the outcome of each, in the same order.
 * @throws a unique violation of `CLIENT_MESSAGE_INDEX` if another process stores one of them at the same time.
 */
export function sendBatch(db: Database, drafts: readonly Draft[]): Promise<Outcome[]> {
  const conversationIds: string[] = []
  const groupIds: string[] = []
  const senderIds: string[] = []
  const encodings: number[] = []
  /** The positions of the first and the last copy of each message, counted from 1. */
  const firsts: number[] = []
  const lasts: number[] = []
  const recipientIds: string[] = []
  const contents: string[] = []
  for (const { conversationId, groupId, senderId, copies } of drafts) {
    conversationIds.push(conversationId)
    groupIds.push(groupId)
    senderIds.push(senderId)
    encodings.push(encodingOf(copies))
    firsts.push(contents.length + 1)
    for (const { recipientId, content } of copies) {
      recipientIds.push(recipientId)
      contents.push(content)
    }
    lasts.push(contents.length)
  }
  const params = [
    uuidArray(new Set(conversationIds)),
    uuidArray(groupIds),
    uuidArray(conversationIds),
    uuidArray(senderIds),
    intArray(encodings),
    intArray(firsts),
    intArray(lasts),
    uuidArray(recipientIds),
    encodings.every(isPlain) ? plainTextArray(contents) : textArray(contents),
  ]
  const isKeyed = drafts.some(({ clientMessageId }) => clientMessageId !== undefined)
  const hasShared = drafts.some(({ shared }) => shared !== undefined)
  if (isKeyed) params.push(uuidArray(drafts.map(({ clientMessageId }) => clientMessageId ?? 'null')))
  if (hasShared) params.push(nullableTextArray(drafts.map(({ shared }) => shared)))
  const attached = drafts.flatMap(({ groupId, attachments = [] }) =>
    attachments.map((id) => ({ groupId, id })),
  )
  if (attached.length) {
    params.push(uuidArray(attached.map(({ groupId }) => groupId)), uuidArray(attached.map(({ id }) => id)))
  }
  return db.rows(sendStatement({ isKeyed, hasShared, hasAttachments: attached.length > 0 }), params)
}

/** The index that rejects a repeated send whose first message the statement does not see yet. */
export const CLIENT_MESSAGE_INDEX = 'message_groups_client_message'

/**
 * Finds which messages an earlier statement has stored whose commit outcome is unknown. It locks the conversations first, to
 * wait for a backend that is still running that statement; only a later statement sees what it commits.
 * @returns as `sendBatch`; a message that is not stored is `stale`.
 */
export function findSent(db: Database, drafts: readonly Draft[]): Promise<Outcome[]> {
  const conversationIds = [...new Set(drafts.map((draft) => draft.conversationId))]
  const groupIds = drafts.map((draft) => draft.groupId)
  return db.transaction(async (tx) => {
    await tx
      .select({ id: conversations.id })
      .from(conversations)
      .where(inArray(conversations.id, conversationIds))
      .orderBy(conversations.id)
      .for('update')
    const { id, seq } = messageGroups
    const groups = await tx
      .select({
        id,
        seq,
        insertedAt: sql<number>`(extract(epoch from ${messageGroups.insertedAt}) * 1000)::float8`,
      })
      .from(messageGroups)
      .where(inArray(id, groupIds))
    const found = new Map(groups.map((group) => [group.id, group]))
    return groupIds.map((groupId) => {
      const group = found.get(groupId)
      if (!group) return { verdict: 'stale' }
      return { verdict: 'ok', seq: group.seq, insertedAt: group.insertedAt }
    })
  })
}
