/** A violated guarantee, with the events around it. */
export interface Violation {
  what: string
  details: string[]
}

interface Entry {
  at: number
  text: string
  /** The device that it concerns. Absent if it concerns all. */
  device?: string | undefined
}

/** At most this many similar violations are reported in full. The others are counted. */
const MAX_SIMILAR_VIOLATIONS = 4
/** What is ignored when violations are compared: ids, numbers and device names. */
const VARIABLE_PARTS = /\b[\w-]{21,36}\b|\b[A-Z]\w+'s device|\d+/g

/** The events and violations of a run. */
export class Journal {
  readonly startedAt = Date.now()
  readonly violations: Violation[] = []
  readonly counts = new Map<string, number>()
  readonly #entries: Entry[] = []
  readonly #countByKind = new Map<string, number>()

  count(name: string, by = 1): void {
    this.counts.set(name, (this.counts.get(name) ?? 0) + by)
  }

  /** Milliseconds since the run began. */
  now(): number {
    return Date.now() - this.startedAt
  }

  /** Records an event that may explain a violation. */
  note(text: string, device?: string): void {
    this.#entries.push({ at: this.now(), text, device })
  }

  /** Records a violation, with the events around the time `around`. */
  violation(
    what: string,
    {
      details = [],
      device,
      around = this.now(),
    }: { details?: string[]; device?: string; around?: number } = {},
  ): void {
    const kind = what.replace(VARIABLE_PARTS, '…')
    const count = (this.#countByKind.get(kind) ?? 0) + 1
    this.#countByKind.set(kind, count)
    if (count > MAX_SIMILAR_VIOLATIONS) return
    this.violations.push({ what, details: [...details, ...this.#eventsAround(around, device)] })
  }

  get violationCount(): number {
    return [...this.#countByKind.values()].reduce((sum, count) => sum + count, 0)
  }

  /** The events shortly before and after a time that concern all or one device. */
  #eventsAround(around: number, device: string | undefined): string[] {
    const near = this.#entries.filter((entry) => {
      if (entry.device !== undefined && entry.device !== device) return false
      return entry.at > around - 12_000 && entry.at < around + 6_000
    })
    return near.slice(-25).map(({ at, text, device: about }) => `${seconds(at)} ${about ?? ''} ${text}`)
  }
}

/** Formats a time of the run. */
export function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(2).padStart(7)} s`
}
