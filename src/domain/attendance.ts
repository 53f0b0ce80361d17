/** Who is in a place, under which name of theirs there. */
export interface Attendant {
  readonly ref: string
  readonly key: string
  readonly meta: unknown
}

/** What changed in a place. */
export interface AttendanceChange {
  readonly group: string
  readonly joins: readonly Attendant[]
  readonly leaves: readonly Attendant[]
  /** Whether they left because their node is gone. */
  readonly isLoss: boolean
}

/** Who is where, on all nodes. Each node adds those who came to it; what is added on another arrives a moment later. */
export interface Attendance {
  /** @returns what names this entry. */
  track(place: string, key: string, meta: unknown): string
  untrack(place: string, ref: string): void
  /** Adds a listener that hears every change, of this node (at once) and others. */
  onChange(listener: (change: AttendanceChange) => void): void
  entries(place: string): Iterable<Attendant>
}
