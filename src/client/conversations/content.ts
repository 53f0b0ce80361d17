import type { TransferOptions } from '../attachments/transfer.ts'
import type { MessageBody as FormatBody } from '../encryption/content.ts'
import { EncryptionError } from '../encryption/errors.ts'
import type { Message, MessageBody } from './message.ts'

/** What a message says: a text, or a type with its body. */
export type Content = string | MessageContent

/** The content of a message, by type. */
export type MessageContent = Exclude<FormatBody, { type: 'deleted' }>

/** How a message is sent. */
export interface SendOptions {
  /** The id of the message, a UUID. Sending with the id of an earlier attempt does not send twice. */
  id?: string
  /** Whether members without account keys may be written to: the message is then not signed for them. */
  allowUnsigned?: boolean
}

/** How files are sent. */
export interface SendFilesOptions extends SendOptions, TransferOptions {
  /** What the message says about the files. */
  text?: string
}

/** A reply to a message. */
export function replyTo(message: Message, text: string): MessageContent {
  return { type: 'reply', body: { to: message.id, text } }
}

/** What an edit makes of a message. Its type stays: a text replaces that of the message only. @throws EncryptionError `invalid_content` */
export function editedContent(message: Message, content: Content): { type: string; body: MessageBody } {
  const { type, body } = message
  const edited = typeof content === 'string' ? { type, body: { ...body, text: content } } : content
  if (edited.type !== type || (typeof content === 'string' && body.text === undefined)) {
    throw new EncryptionError('invalid_content', 'An edit must have the type of the message.')
  }
  return edited
}

/** The type and body of a content. */
export function contentOf(content: Content): { type: string; body: MessageBody } {
  return typeof content === 'string' ? { type: 'text', body: { text: content } } : content
}
