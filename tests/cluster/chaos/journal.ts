/** A breach of a promise, with what is needed to understand it. */
export interface Violation {
  what: string
  details: string[]
}

interface Entry {
  at: number
  text: string
  /** The device it is about; absent when it concerns everybody. */
  device?: string | undefined
}

/** Breaches that are alike are printed so often, and then only counted. */
const MOST_ALIKE = 4
/** What differs between breaches that are alike: ids, numbers, and whose device it is. */
const NAMES = /\b[\w-]{21,36}\b|\b[A-Z]\w+'s device|\d+/g

/** What happened in a run, when, and what should not have. */
export class Journal {
  readonly startedAt = Date.now()
  readonly violations: Violation[] = []
  readonly counts = new Map<string, number>()
  readonly #entries: Entry[] = []
  readonly #alike = new Map<string, number>()

  count(name: string, by = 1): void {
    this.counts.set(name, (this.counts.get(name) ?? 0) + by)
  }

  /** Milliseconds since the run began. */
  now(): number {
    return Date.now() - this.startedAt
  }

  /** Notes something that may explain a violation later. */
  note(text: string, device?: string): void {
    this.#entries.push({ at: this.now(), text, device })
  }

  /** A promise was broken; `around` is the moment whose surroundings explain it. */
  violation(
    what: string,
    {
      details = [],
      device,
      around = this.now(),
    }: { details?: string[]; device?: string; around?: number } = {},
  ): void {
    const kind = what.replace(NAMES, '…')
    const count = (this.#alike.get(kind) ?? 0) + 1
    this.#alike.set(kind, count)
    if (count > MOST_ALIKE) return
    this.violations.push({ what, details: [...details, ...this.#surroundings(around, device)] })
  }

  get violationCount(): number {
    return [...this.#alike.values()].reduce((sum, count) => sum + count, 0)
  }

  /** What happened to everybody, and to one device, shortly before and after a moment. */
  #surroundings(around: number, device: string | undefined): string[] {
    const near = this.#entries.filter((entry) => {
      if (entry.device !== undefined && entry.device !== device) return false
      return entry.at > around - 12_000 && entry.at < around + 6_000
    })
    return near.slice(-25).map(({ at, text, device: about }) => `${seconds(at)} ${about ?? ''} ${text}`)
  }
}

/** A moment of a run, for people. */
export function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(2).padStart(7)} s`
}
