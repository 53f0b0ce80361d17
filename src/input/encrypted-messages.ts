import { MAX_MEMBERS } from '../domain/conversations/membership.ts'
import { isStorable } from '../domain/shared/text.ts'
import { readUuid } from '../domain/shared/uuid.ts'
import { AppError, invalidField } from '../errors.ts'

/** Maximum size of one encrypted copy and of the shared ciphertext, in UTF-8. */
const MAX_COPY_BYTES = 65_536

/** A text of at most this many UTF-16 code units always fits: a code unit takes at most three bytes of UTF-8. */
const MAX_UNMEASURED_LENGTH = MAX_COPY_BYTES / 3

/**
 * Parses `encrypted_messages` into the copies of a message by recipient id, in lower case. That the recipients are the
 * members is checked when the message is stored.
 * @throws AppError `validation_failed`, or `too_many_recipients` for more recipients than a conversation may have.
 */
export function parseEncryptedMessages(
  encryptedMessages: Readonly<Record<string, string>>,
): Map<string, string> {
  const copies = new Map<string, string>()
  const keys = Object.keys(encryptedMessages)
  if (keys.length > MAX_MEMBERS) throw new AppError('too_many_recipients')
  for (const key of keys) {
    const recipientId = readUuid(key)
    const content = encryptedMessages[key] as string
    if (!recipientId) throw invalid('has a key that is not a user id')
    if (copies.has(recipientId)) throw invalid('names a recipient twice')
    if (!fits(content)) throw invalid(`has a copy of more than ${MAX_COPY_BYTES} bytes`)
    if (!isStorable(content)) throw invalid('has a copy with characters that cannot be stored')
    copies.set(recipientId, content)
  }
  return copies
}

/** Validates the `shared` ciphertext of a message. @throws AppError `validation_failed` */
export function parseShared(shared: string | undefined): string | undefined {
  if (shared === undefined) return undefined
  if (!fits(shared)) throw invalidField('shared', `must have at most ${MAX_COPY_BYTES} bytes`)
  if (!isStorable(shared)) throw invalidField('shared', 'has characters that cannot be stored')
  return shared
}

function fits(content: string): boolean {
  return content.length <= MAX_UNMEASURED_LENGTH || Buffer.byteLength(content) <= MAX_COPY_BYTES
}

function invalid(message: string): AppError {
  return invalidField('encrypted_messages', message)
}
