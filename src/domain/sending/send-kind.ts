import type { ErrorCode } from '../../errors.ts'

/**
 * One kind of message, which is stored in batches of its own. Its messages belong to streams: the conversations or the rooms. The
 * ids of streams are unique across kinds.
 */
export interface SendKind<Draft, Sent> {
  /** The stream of a draft. Messages of one stream are stored and published in the order in which they were queued. */
  streamOf(draft: Draft): string
  /** How many rows of contents it inserts. */
  rowsOf(draft: Draft): number
  /** Characters of its contents. */
  sizeOf(draft: Draft): number
  /** Stores the valid drafts in one transaction. @returns the outcome of each, in the same order. */
  store(drafts: readonly Draft[]): Promise<SendOutcome<Sent>[]>
  /**
   * Finds which drafts an earlier transaction has stored whose commit outcome is unknown. That transaction is over when it
   * resolves. @returns as `store`; a draft that is not stored is `stale`.
   */
  find(drafts: readonly Draft[]): Promise<SendOutcome<Sent>[]>
  /** Whether `store` failed because another process has just stored a message with the same client message id. */
  isRepeat(error: unknown): boolean
  /** Emits the event of a stored message. */
  publish(draft: Draft, sent: Sent): void
}

/**
 * What became of a draft. `isNew`: it was stored, not found as an earlier message with the same client message id. `stale`: it has to
 * be stored again.
 */
export type SendOutcome<Sent> =
  | { verdict: 'sent'; sent: Sent; isNew: boolean }
  | { verdict: 'refused'; code: ErrorCode }
  | { verdict: 'stale' }

export const STALE = { verdict: 'stale' } as const
