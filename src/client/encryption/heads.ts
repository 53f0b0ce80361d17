import { hashText } from '../../account-keys/encoding.ts'

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

const MAX_OLDER = 4
/** Between two people also messages of long ago are compared. */
const MAX_OLDER_OF_TWO = 20

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
  for (const heads of earlierHeads(current, histories)) {
    if (stated === (await hashHeads(heads))) return 'older'
  }
  return 'unknown'
}

/** The lists in which one member has an older head; of two members, also those in which both have. */
function* earlierHeads(current: Heads, histories: KnownHeads['histories']): Generator<Heads> {
  const limit = current.size === 2 ? MAX_OLDER_OF_TWO : MAX_OLDER
  const older = [...current].map(([userId, head]) => {
    return olderHeads(histories.get(userId) ?? [], head, limit).map((old) => [userId, old] as const)
  })
  for (const pair of older.flat()) yield new Map([...current, pair])
  const [ones = [], others = []] = older
  if (current.size === 2) for (const one of ones) for (const other of others) yield new Map([one, other])
}

/** The heads that a member had before this one: the last few are enough for a sender who was away for a while. */
function olderHeads(history: readonly string[], head: string | null, limit: number): (string | null)[] {
  const older = history.filter((hash) => hash !== head).slice(-limit)
  return head === null ? older : [...older, null]
}
