import { v7 as newId } from 'uuid'
import type { Orm } from '../../db/database.ts'
import { insertOutboxRow } from '../../db/queries/mail/outbox.ts'
import type { ClientDevice } from '../sessions/client-device.ts'
import { type EmailDetails, type EmailKind, emailDetails, type NoticeKind } from './email-templates.ts'

/** Inserts an email into the outbox, in the transaction that causes it. Wake the mail worker after the commit. */
export async function queueEmail(
  tx: Orm,
  email: { kind: EmailKind; userId: string | null; recipient: string; details?: EmailDetails },
  now: Date,
): Promise<void> {
  await insertOutboxRow(tx, { id: newId(), ...email, now })
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
