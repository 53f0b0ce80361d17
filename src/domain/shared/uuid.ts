import { invalidField } from '../../errors.ts'

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

/** The UUID in lower case, as the database writes it; undefined for any other text. */
export function readUuid(text: string): string | undefined {
  return UUID.test(text) ? text.toLowerCase() : undefined
}

/** Validates a client message id: a UUID that the sender chose as an idempotency key. @throws AppError `validation_failed` for the field `client_message_id`. */
export function readClientMessageId(text: string | undefined): string | undefined {
  const id = text === undefined ? undefined : readUuid(text)
  if (id !== text?.toLowerCase()) throw invalidField('client_message_id', 'must be a UUID')
  return id
}
