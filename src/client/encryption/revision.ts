import type { ChainLink } from './device-chain.ts'
import type { VerifiedMessage } from './message.ts'

/** What a receiver keeps of a message to recognise its revisions. Plain JSON, to be stored. */
export interface KnownRevision extends ChainLink {
  id: string
  /** The message group under which the server delivered it. */
  group: string
  conversation: string
  sender: string
  device: string
  type: string
  revision: number
  /** The hash of this revision. */
  revisionHash: string
}

/** How a received message relates to the one that is known with its id. */
export type RevisionVerdict =
  /** It was received before. */
  | 'same'
  /** A newer revision, to be shown instead. */
  | 'newer'
  /** An older revision: the server took back an edit. */
  | 'stale'
  /** Another content with the same revision. */
  | 'conflict'
  /** The server delivered the message a second time, under another message group. */
  | 'wrong_group'
  /** It is not an edit of that message, though it has its id. */
  | 'not_an_edit'

/** What to keep of a verified message. */
export function revisionOf({ content, hash }: VerifiedMessage, group: string): KnownRevision {
  const { id, conversation, sender, device, type, revision } = content
  return {
    id,
    group,
    conversation,
    sender,
    device,
    type,
    revision,
    revisionHash: hash,
    ...linkOf(content, hash),
  }
}

/** Compares a message with the one that has its `id`. An edit keeps everything but revision, time, heads and body, or deletes. */
export function compareRevision(known: KnownRevision, next: KnownRevision): RevisionVerdict {
  if (next.group !== known.group) return 'wrong_group'
  const kept = ['id', 'conversation', 'sender', 'device', 'counter', 'previous', 'hash'] as const
  if (kept.some((name) => next[name] !== known[name])) {
    return next.revision === known.revision ? 'conflict' : 'not_an_edit'
  }
  if (next.revision < known.revision) return 'stale'
  if (next.revision === known.revision) return next.revisionHash === known.revisionHash ? 'same' : 'conflict'
  const keepsType = next.type === known.type || next.type === 'deleted'
  return keepsType ? 'newer' : 'not_an_edit'
}

/** The place of a message in the chain of its device. An edit has that of its original. */
function linkOf({ counter, previous, original }: VerifiedMessage['content'], hash: string): ChainLink {
  return { counter, previous, hash: original ?? hash }
}
