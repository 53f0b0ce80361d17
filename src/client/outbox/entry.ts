import type { Draft, SealedMessage } from '../conversations/codec.ts'

/** A change that waits to be sent. */
export interface OutboxEntry {
  kind: 'send' | 'edit' | 'delete'
  /** Which client has added it: the others leave its outcome to that one. */
  client: string
  draft: Draft
  /** The message to edit or delete, by the server's id. */
  group?: string
  allowUnsigned: boolean
  /** The files of the message, by the server's ids. */
  attachments?: string[]
  /** Once it was signed. */
  sealed?: SealedMessage
  /** Once the server has answered. */
  outcome?: OutboxOutcome
}

/** How a change ended. */
export type OutboxOutcome = { sent: StoredReply } | { rejected: { code: string; message: string } }

/** Where and when a message was stored. Absent for edits and deletions on servers that do not tell. */
export interface SentReply {
  group: string
  seq: number | undefined
  at: Date | undefined
}

/** The same as it is stored: the time is the server's text. */
export type StoredReply = Omit<SentReply, 'at'> & { at: string | undefined }
