import { v7 as newId } from 'uuid'
import type { Orm } from '../../db/database.ts'
import { type Insertion, insertAll } from '../../db/queries/insertions.ts'
import { outboxInsertion } from '../../db/queries/mail/outbox.ts'
import type { ClientDevice } from '../sessions/client-device.ts'
import { type EmailDetails, type EmailKind, emailDetails, type NoticeKind } from './email-templates.ts'

/** An email to put into the outbox. */
export interface OutgoingEmail {
  kind: EmailKind
  userId: string | null
  recipient: string
  details?: EmailDetails
}

/** Inserts an email into the outbox, in the transaction that causes it. Wake the mail worker after the commit. */
export async function queueEmail(tx: Orm, email: OutgoingEmail, now: Date): Promise<void> {
  await insertAll(tx, [emailInsertion(tx, email, now)])
}

/** Like `queueEmail`, as a part of the statement that causes the email. */
export function emailInsertion(orm: Orm, email: OutgoingEmail, now: Date): Insertion {
  return outboxInsertion(orm, { id: newId(), ...email, now })
}

/** Queues an email that reports a change of the account. @param device the client that made the change. */
export function queueNotice(
  tx: Orm,
  kind: NoticeKind,
  user: { id: string; email: string },
  device: ClientDevice,
  now: Date,
): Promise<void> {
  const details = emailDetails(device, now)
  return queueEmail(tx, { kind, userId: user.id, recipient: user.email, details }, now)
}
