import { hashText } from '../../account-keys/index.ts'

/** The members of a conversation, and the head of each one's key history; null for a member without account keys. */
export type Heads = ReadonlyMap<string, string | null>

/** What the `heads` of a message say to its receiver. */
export type HeadsVerdict =
  /** The sender saw the members and keys that the receiver sees. */
  | 'same'
  /** The sender saw a state that the receiver knows as an earlier one. */
  | 'older'
  /** The receiver has never seen that state: either the sender is ahead, or the server shows them different things. */
  | 'unknown'

/** What a receiver knows to compare the `heads` of a message with. */
export interface KnownHeads {
  current: Heads
  /** The hashes of lists that the receiver computed before in this conversation. */
  earlier: ReadonlySet<string>
  /** The hashes of all verified entries of each member, oldest first. */
  histories: ReadonlyMap<string, readonly string[]>
}

/** The `heads` of a message: one hash over the members and the heads of their histories. */
export function hashHeads(heads: Heads): Promise<string> {
  const lines = [...heads].map(([userId, head]) => `${userId} ${head ?? '-'}\n`)
  return hashText(lines.sort().join(''))
}

/**
 * Compares the `heads` of a message with what its receiver sees. After `unknown`, the receiver fetches the members and their
 * histories anew and compares again. If the result stays, the server shows different people different keys.
 */
export async function compareHeads(
  stated: string,
  { current, earlier, histories }: KnownHeads,
): Promise<HeadsVerdict> {
  if (stated === (await hashHeads(current))) return 'same'
  if (earlier.has(stated)) return 'older'
  for (const [userId, head] of current) {
    for (const old of olderHeads(histories.get(userId) ?? [], head)) {
      if (stated === (await hashHeads(new Map([...current, [userId, old]])))) return 'older'
    }
  }
  return 'unknown'
}

/** The heads that a member had before this one: the last few are enough for a sender who was away for a while. */
function olderHeads(history: readonly string[], head: string | null): (string | null)[] {
  const older = history.filter((hash) => hash !== head).slice(-4)
  return head === null ? older : [...older, null]
}
