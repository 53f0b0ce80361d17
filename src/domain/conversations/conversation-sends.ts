import type { Database } from '../../db/database.ts'
import { isUniqueViolation } from '../../db/failures.ts'
import {
  CLIENT_MESSAGE_INDEX,
  type Draft,
  findSent,
  type Outcome,
  sendBatch,
} from '../../db/queries/conversations/send-batch.ts'
import { type SendKind, type SendOutcome, STALE } from '../sending/send-kind.ts'
import type { EventBus } from '../shared/events.ts'

/** A message that was sent. Its time is in milliseconds since the epoch, with the microseconds as a fraction. */
export interface SentMessage {
  groupId: string
  seq: number
  insertedAt: number
}

/** The messages of conversations. Refused with `no_conversation`, `not_enough_recipients` or `too_many_recipients`. */
export function conversationSends(db: Database, events: EventBus): SendKind<Draft, SentMessage> {
  return {
    streamOf: ({ conversationId }) => conversationId,
    rowsOf: ({ copies }) => copies.length,
    sizeOf: ({ copies, shared }) =>
      copies.reduce((size, { content }) => size + content.length, shared?.length ?? 0),
    store: async (drafts) => outcomesOf(drafts, await sendBatch(db, drafts)),
    find: async (drafts) => outcomesOf(drafts, await findSent(db, drafts)),
    isRepeat: (error) => isUniqueViolation(error, CLIENT_MESSAGE_INDEX),
    publish({ conversationId, groupId, senderId, copies, shared = null }, { seq, insertedAt }) {
      const message = { conversationId, groupId, senderId, seq, copies, shared }
      events.emit('message_sent', { ...message, insertedAt, updatedAt: insertedAt })
    },
  }
}

function outcomesOf(drafts: readonly Draft[], outcomes: readonly Outcome[]): SendOutcome<SentMessage>[] {
  return outcomes.map((outcome, index) => {
    const ownId = drafts[index]?.groupId as string
    switch (outcome.verdict) {
      case 'ok':
        return sentAs(ownId, outcome, true)
      case 'repeated':
        // It may be this very draft, stored by an earlier attempt that emitted no event.
        return sentAs(outcome.groupId, outcome, outcome.groupId === ownId)
      case 'stale':
        return STALE
      default:
        return { verdict: 'refused', code: outcome.verdict }
    }
  })
}

function sentAs(
  groupId: string,
  { seq, insertedAt }: Omit<SentMessage, 'groupId'>,
  isNew: boolean,
): SendOutcome<SentMessage> {
  return { verdict: 'sent', sent: { groupId, seq, insertedAt }, isNew }
}
