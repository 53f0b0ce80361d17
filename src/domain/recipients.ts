import { type AppError, invalidField } from '../errors.ts'
import { isStorable } from './text.ts'
import { readUuid } from './uuid.ts'

/** Bytes of UTF-8 that one encrypted copy of a message may have. */
export const MAX_COPY_BYTES = 65_536

/** A UTF-16 code unit takes at most three bytes of UTF-8. */
const SURELY_FITS = MAX_COPY_BYTES / 3

/**
 * Reads the copies of a message as a client names them, by recipient: ids in lower case, contents fit to be stored.
 * Whether these are the right recipients is judged when the message is stored.
 * @throws AppError `validation_failed` for the field `encrypted_messages`.
 */
export function readRecipients(encryptedMessages: Readonly<Record<string, string>>): Map<string, string> {
  const copies = new Map<string, string>()
  for (const key of Object.keys(encryptedMessages)) {
    const recipientId = readUuid(key)
    const content = encryptedMessages[key] as string
    if (!recipientId) throw unreadable('has a key that is not a user id')
    if (copies.has(recipientId)) throw unreadable('names a recipient twice')
    if (!fits(content)) throw unreadable(`has a copy of more than ${MAX_COPY_BYTES} bytes`)
    if (!isStorable(content)) throw unreadable('has a copy with characters that cannot be stored')
    copies.set(recipientId, content)
  }
  return copies
}

function fits(content: string): boolean {
  return content.length <= SURELY_FITS || Buffer.byteLength(content) <= MAX_COPY_BYTES
}

function unreadable(message: string): AppError {
  return invalidField('encrypted_messages', message)
}
