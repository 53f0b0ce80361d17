/** One tracked entry of a group: a user, with metadata. The same user may have several entries, each with its own `ref`. */
export interface PresenceEntry {
  readonly ref: string
  readonly key: string
  readonly meta: unknown
}

/** Entries that were added to a group or removed from it. */
export interface PresenceChange {
  readonly group: string
  readonly joins: readonly PresenceEntry[]
  readonly leaves: readonly PresenceEntry[]
  /** Whether the entries were removed because their node is gone. */
  readonly isLoss: boolean
}

/** Tracks who is in which group, on all nodes. Each node adds its own entries, and receives those of other nodes with a delay. */
export interface PresenceTracker {
  /** Adds an entry. @returns its `ref`. */
  track(group: string, key: string, meta: unknown): string
  untrack(group: string, ref: string): void
  /** Adds a listener for the changes of all nodes. It is called synchronously for those of this node. */
  onChange(listener: (change: PresenceChange) => void): void
  entries(group: string): Iterable<PresenceEntry>
}
