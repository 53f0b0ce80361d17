import { isObject } from '../../account-keys/encoding.ts'
import { isHash, isInteger, isText, isTimestamp, isUuid } from '../../account-keys/fields.ts'
import type { AttachedFile } from './attachment.ts'
import { parseAttachments } from './attachment.ts'

/** What a message says, by its type. */
export type MessageBody =
  | { type: 'text'; body: { text: string } }
  | { type: 'reply'; body: { to: string; text: string } }
  | { type: 'reaction'; body: { to: string; emoji: string } }
  | { type: 'attachment'; body: { text: string; files: AttachedFile[] } }
  | { type: 'deleted'; body: Record<string, never> }

/** Where a message belongs: its conversation and sender, its place among the messages of a device, its revision. */
export interface MessageFrame {
  conversation: string
  /** The user id of the sender. */
  sender: string
  /** The random id of the client that sent the message: 16 bytes in base64url. */
  device: string
  /** The number of the message among those that this device sent to the conversation, from 1. */
  counter: number
  /** The hash of the message before it, revision 0; null for the first. */
  previous: string | null
  /** The `client_message_id`. */
  id: string
  /** 0 for the message as sent, and one more with every edit. */
  revision: number
  /** The hash of revision 0. Only in edits. */
  original?: string
  sent_at: string
  /** The hash over the heads of the members' key histories, as the sender saw them. */
  heads: string
}

/** The content of a message: what its sender signs, without the version of the format. */
export type Content = MessageFrame & MessageBody

/** Content of a type that this library does not know. It is verified like any other. */
export type UnknownContent = MessageFrame & { type: string & {}; body: Record<string, unknown> }

/** Content as a receiver gets it. */
export type ReceivedContent = (Content & { known: true }) | (UnknownContent & { known: false })

/** The deepest nesting of a body. What reads deeper ones by recursion, such as a store, could fail. */
const MAX_DEPTH = 16

/** Writes content as the text that is signed. */
export function writeContent(content: Content): string {
  const { type, conversation, sender, device, counter, previous, id, revision, original } = content
  const { sent_at, heads, body } = content
  const edit = original === undefined ? {} : { original }
  const frame = { conversation, sender, device, counter, previous, id, revision, ...edit, sent_at, heads }
  return JSON.stringify({ v: 1, type, ...frame, body })
}

/** Checks decoded JSON as content. Undefined if it breaks a rule of the format; members that the format does not know are dropped. */
export function parseContent(value: Record<string, unknown>): ReceivedContent | undefined {
  const frame = value.v === 1 ? parseFrame(value) : undefined
  const { type, body } = value
  if (!frame || typeof type !== 'string' || !/^[a-z][a-z0-9_.-]{0,31}$/.test(type)) return undefined
  if (!isObject(body) || !isShallow(body, MAX_DEPTH)) return undefined
  if (type === 'deleted' && frame.revision === 0) return undefined
  if (!isKnownType(type)) return { known: false, ...frame, type, body }
  const message = PARSERS[type](body)
  return message && { known: true, ...frame, ...message }
}

const PARSERS: { [Type in MessageBody['type']]: (body: Record<string, unknown>) => MessageBody | undefined } =
  {
    text: ({ text }) => (isText(text) ? { type: 'text', body: { text } } : undefined),
    reply: ({ to, text }) => (isUuid(to) && isText(text) ? { type: 'reply', body: { to, text } } : undefined),
    reaction: ({ to, emoji }) =>
      isUuid(to) && isText(emoji) && emoji !== '' && emoji.length <= 64
        ? { type: 'reaction', body: { to, emoji } }
        : undefined,
    attachment({ text, files: list }) {
      const files = parseAttachments(list)
      return isText(text) && files ? { type: 'attachment', body: { text, files } } : undefined
    },
    deleted: () => ({ type: 'deleted', body: {} }),
  }

function isShallow(value: unknown, depth: number): boolean {
  if (typeof value !== 'object' || value === null) return true
  return depth > 0 && Object.values(value).every((part) => isShallow(part, depth - 1))
}

function isKnownType(type: string): type is MessageBody['type'] {
  return Object.hasOwn(PARSERS, type)
}

function parseFrame(value: Record<string, unknown>): MessageFrame | undefined {
  const { conversation, sender, device, counter, previous, id, revision, original, sent_at, heads } = value
  if (!isUuid(conversation) || !isUuid(sender) || !isUuid(id)) return undefined
  if (typeof device !== 'string' || !/^[A-Za-z0-9_-]{21}[AQgw]$/.test(device)) return undefined
  if (!isInteger(counter, 1) || !isInteger(revision, 0)) return undefined
  if (previous !== null && !isHash(previous)) return undefined
  if ((counter === 1) !== (previous === null)) return undefined
  if (!isTimestamp(sent_at) || !isHash(heads)) return undefined
  const frame = { conversation, sender, device, counter, previous, id, revision, sent_at, heads }
  if (revision === 0) return original === undefined ? frame : undefined
  return isHash(original) ? { ...frame, original } : undefined
}
