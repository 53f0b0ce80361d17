import type { Json } from '../../support/phoenix.ts'

/** One change of a conversation, as it came live or in the answer to a join. */
export type Change =
  | { kind: 'message'; seq: number; group: string; place: number; content: string }
  | { kind: 'deletion'; seq: number; group: string }

/** What is missing comes within this long, or has to be asked for. */
const PATIENCE_MS = 1_500

/** What a view needs of its device. */
export interface ViewTools {
  /** A change was told wrongly. */
  breach(what: string, change: Change): void
  /** Asks over HTTP for what came after a place; undefined when that cannot be known. */
  ask(afterSeq: number): Promise<Json | undefined>
}

/**
 * What one device knows of one conversation, as a client should keep it: the highest `seq` it applied, each change once and
 * in order. What comes before the answer to its join, or after something that is missing, is kept until its turn.
 */
export class ConversationView {
  readonly id: string
  readonly members = new Set<string>()
  /** The messages there are, by group. */
  readonly messages = new Map<string, { seq: number; content: string }>()
  readonly #tools: ViewTools
  /** Everything from here on is known. */
  floor = 0
  /** The latest change that was applied; undefined before the first answer to a join. */
  applied: number | undefined
  /** The latest of each kind that came over the connection of now: they come over two topics, which are joined apart. */
  #latest = new Map<Change['kind'], number>()
  #isJoining = true
  /** What came live and is not in its turn, by place. */
  readonly #held = new Map<number, Change>()
  #gap: NodeJS.Timeout | undefined

  constructor(id: string, tools: ViewTools) {
    this.id = id
    this.#tools = tools
  }

  /** The connection is gone, and with it the order of what came over it. */
  disconnected(): void {
    this.#latest.clear()
    this.#held.clear()
    this.suspend()
  }

  /** The conversation has to be joined again: what comes before the answer to that waits for it. */
  suspend(): void {
    this.#isJoining = true
    this.#endGap()
  }

  /** A change was told live. */
  hear(change: Change): void {
    const latest = this.#latest.get(change.kind) ?? 0
    if (change.seq <= latest) this.#tools.breach(`came after ${latest} over the same connection`, change)
    this.#latest.set(change.kind, Math.max(latest, change.seq))
    this.#held.set(change.seq, change)
    this.#proceed()
  }

  /** The answer to a join. @returns false when the gap is too large, so that the history has to be read: `restore`. */
  joined(reply: Json): boolean {
    this.members.clear()
    for (const user of reply.users) this.members.add(user.id)
    if (reply.recovered === false) return false
    if (reply.recovered) this.#applyAll(reply)
    else this.#begin(reply)
    this.#isJoining = false
    this.#proceed()
    return true
  }

  /** The whole history, read when the gap was too large. */
  restore(history: Json[], lastSeq: number): void {
    this.messages.clear()
    for (const message of history) if (message.seq >= this.floor) this.#put(message)
    this.applied = lastSeq
    this.#isJoining = false
    this.#proceed()
  }

  #begin({ messages: { items, page_token: more }, last_seq: lastSeq }: Json): void {
    this.messages.clear()
    for (const message of items) this.#put(message)
    this.floor = more ? items.at(-1).seq : 0
    this.applied = lastSeq
  }

  #put({ message_group: group, seq, content }: Json): void {
    this.messages.set(group, { seq, content })
  }

  /** Applies what is in its turn. */
  #proceed(): void {
    if (this.#isJoining || this.applied === undefined) return
    for (const seq of [...this.#held.keys()].sort((a, b) => a - b)) {
      if (seq > this.applied + 1) break
      this.#apply(this.#held.get(seq) as Change)
      this.#held.delete(seq)
    }
    if (this.#held.size === 0) this.#endGap()
    else this.#gap ??= setTimeout(() => void this.#askForMissing(), PATIENCE_MS)
  }

  /** A leave has a place too, and is not told here; any other change had to come by itself. */
  async #askForMissing(): Promise<void> {
    const gap = this.#gap
    const next = Math.min(...this.#held.keys())
    const reply = await this.#tools.ask(this.applied ?? 0)
    if (this.#gap !== gap) return
    this.#endGap()
    if (!reply?.recovered) return
    for (const change of reply.changes.map(readChange)) {
      if (change.seq > (this.applied ?? 0) && change.seq < next)
        this.#tools.breach(`was not told before ${next}`, change)
    }
    this.#applyAll(reply)
    this.#proceed()
  }

  #endGap(): void {
    clearTimeout(this.#gap)
    this.#gap = undefined
  }

  #applyAll({ changes, last_seq: lastSeq }: Json): void {
    for (const change of changes.map(readChange)) this.#apply(change)
    this.applied = Math.max(this.applied ?? 0, lastSeq)
  }

  #apply(change: Change): void {
    if (change.seq <= (this.applied ?? 0)) return
    this.applied = change.seq
    if (change.kind === 'deletion') this.messages.delete(change.group)
    else this.messages.set(change.group, { seq: change.place, content: change.content })
  }
}

/** A change as the events `new_message`, `edit_message` and `delete_message` tell it. */
export function readChange({ event, payload }: { event: string; payload: Json }): Change {
  const { message, seq, message_group_id: group } = payload
  if (event === 'delete_message') return { kind: 'deletion', seq, group }
  return {
    kind: 'message',
    seq: event === 'edit_message' ? seq : message.seq,
    group: message.message_group,
    place: message.seq,
    content: message.content,
  }
}
