import type { Json } from '../../support/phoenix.ts'

/** A change of a conversation, received live or in a join reply. */
export type Change =
  | { kind: 'message'; seq: number; group: string; messageSeq: number; content: string }
  | { kind: 'deletion'; seq: number; group: string }

/** How long a missing change is waited for before it is fetched. */
const GAP_TIMEOUT_MS = 1_500

/** What a view uses of its device. */
export interface ViewTools {
  /** Records that a change was delivered incorrectly. */
  reportViolation(what: string, change: Change): void
  /** Fetches the changes after a `seq` over HTTP. Undefined if the user is not a member. */
  fetchChanges(afterSeq: number): Promise<Json | undefined>
}

/**
 * The client-side state of a conversation. It applies each change once, in order of `seq`. Changes that arrive before the join
 * reply, or after a gap, are held back.
 */
export class ConversationView {
  readonly id: string
  readonly members = new Set<string>()
  /** The messages that are not deleted, by message group. */
  readonly messages = new Map<string, { seq: number; content: string }>()
  readonly #tools: ViewTools
  /** All messages from this `seq` on are known. */
  oldestKnownSeq = 0
  /** The `seq` of the latest applied change. Undefined before the first join reply. */
  lastAppliedSeq: number | undefined
  /** The latest `seq` on this connection, by kind: the kinds arrive on two topics, whose relative order is not guaranteed. */
  #latestSeq = new Map<Change['kind'], number>()
  #isJoining = true
  /** Live changes that cannot be applied yet, by `seq`. */
  readonly #pending = new Map<number, Change>()
  #gapTimer: NodeJS.Timeout | undefined

  constructor(id: string, tools: ViewTools) {
    this.id = id
    this.#tools = tools
  }

  /** The connection was lost. */
  disconnected(): void {
    this.#latestSeq.clear()
    this.#pending.clear()
    this.suspend()
  }

  /** The channel rejoins. Changes are held back until the join reply. */
  suspend(): void {
    this.#isJoining = true
    this.#endGap()
  }

  /** Handles a live change. */
  receive(change: Change): void {
    const latest = this.#latestSeq.get(change.kind) ?? 0
    if (change.seq <= latest)
      this.#tools.reportViolation(`arrived after ${latest} on the same connection`, change)
    this.#latestSeq.set(change.kind, Math.max(latest, change.seq))
    this.#pending.set(change.seq, change)
    this.#applyPending()
  }

  /** Handles a join reply. @returns false if the gap is too large, so that the history must be read and passed to `restore`. */
  joined(reply: Json): boolean {
    this.members.clear()
    for (const user of reply.users) this.members.add(user.id)
    if (reply.recovered === false) return false
    if (reply.recovered) this.#applyAll(reply)
    else this.#replaceAll(reply)
    this.#isJoining = false
    this.#applyPending()
    return true
  }

  /** Replaces all messages with the history. */
  restore(history: Json[], lastSeq: number): void {
    this.messages.clear()
    for (const message of history) if (message.seq >= this.oldestKnownSeq) this.#put(message)
    this.lastAppliedSeq = lastSeq
    this.#isJoining = false
    this.#applyPending()
  }

  #replaceAll({ messages: { items, page_token: pageToken }, last_seq: lastSeq }: Json): void {
    this.messages.clear()
    for (const message of items) this.#put(message)
    this.oldestKnownSeq = pageToken ? items.at(-1).seq : 0
    this.lastAppliedSeq = lastSeq
  }

  #put({ message_group: group, seq, content }: Json): void {
    this.messages.set(group, { seq, content })
  }

  /** Applies the held changes up to the first gap. */
  #applyPending(): void {
    if (this.#isJoining || this.lastAppliedSeq === undefined) return
    for (const seq of [...this.#pending.keys()].sort((a, b) => a - b)) {
      if (seq > this.lastAppliedSeq + 1) break
      this.#apply(this.#pending.get(seq) as Change)
      this.#pending.delete(seq)
    }
    if (this.#pending.size === 0) this.#endGap()
    else this.#gapTimer ??= setTimeout(() => void this.#fetchMissing(), GAP_TIMEOUT_MS)
  }

  /** A leave takes a `seq` too, and is not delivered here. Any other missing change is a violation. */
  async #fetchMissing(): Promise<void> {
    const timer = this.#gapTimer
    const next = Math.min(...this.#pending.keys())
    const reply = await this.#tools.fetchChanges(this.lastAppliedSeq ?? 0)
    if (this.#gapTimer !== timer) return
    this.#endGap()
    if (!reply?.recovered) return
    for (const change of reply.changes.map(readChange)) {
      if (change.seq > (this.lastAppliedSeq ?? 0) && change.seq < next)
        this.#tools.reportViolation(`was not delivered before ${next}`, change)
    }
    this.#applyAll(reply)
    this.#applyPending()
  }

  #endGap(): void {
    clearTimeout(this.#gapTimer)
    this.#gapTimer = undefined
  }

  #applyAll({ changes, last_seq: lastSeq }: Json): void {
    for (const change of changes.map(readChange)) this.#apply(change)
    this.lastAppliedSeq = Math.max(this.lastAppliedSeq ?? 0, lastSeq)
  }

  #apply(change: Change): void {
    if (change.seq <= (this.lastAppliedSeq ?? 0)) return
    this.lastAppliedSeq = change.seq
    if (change.kind === 'deletion') this.messages.delete(change.group)
    else this.messages.set(change.group, { seq: change.messageSeq, content: change.content })
  }
}

/** Parses the payload of `new_message`, `edit_message` or `delete_message`. */
export function readChange({ event, payload }: { event: string; payload: Json }): Change {
  const { message, seq, message_group_id: group } = payload
  if (event === 'delete_message') return { kind: 'deletion', seq, group }
  return {
    kind: 'message',
    seq: event === 'edit_message' ? seq : message.seq,
    group: message.message_group,
    messageSeq: message.seq,
    content: message.content,
  }
}
