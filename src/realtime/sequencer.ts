import type { Clock } from '../clock.ts'

/** What a sequencer works with. */
export interface SequencerTools<Item> {
  clock: Clock
  /** Takes an item in its turn. */
  deliver(item: Item): void
  /**
   * Reads the first of what a stream holds after a position, from where it is stored; undefined: from where that should
   * begin.
   */
  catchUp(key: string, after: number | undefined): Promise<Reading>
  /** Hears why `catchUp` could not read; it will be tried again. */
  failed(error: unknown): void
}

/** What was read of a stream. */
export interface Reading {
  /** The position up to which all is in it; undefined when the stream is no longer of concern. */
  upTo: number | undefined
  /** Whether that was all there is. */
  isLast: boolean
  /** Delivers it. */
  deliver(): void
}

/** A stream whose next item is missing. */
interface Gap<Item> {
  /** Items ahead of their turn. */
  waiting: Map<number, Item>
  /** The latest position that is known to exist. */
  goal: number
  isReading: boolean
  cancel: () => void
  /** Called when nothing is missing any more. */
  whenClosed: (() => void)[]
}

/** An item ahead of its turn waits this long for those before it, which may be on their way from another node. */
const PATIENCE_MS = 50
/** A failed reading is tried again after this long. */
const AGAIN_MS = 1_000
/** How often a stream is read for a position that is not there. */
const MOST_READS = 3

/**
 * Keeps numbered streams in order: each item is delivered once, after the one before it. What is missing is read from where
 * it is stored, so that items may come late, twice, in any order, or not at all.
 */
export class Sequencer<Item> {
  readonly #tools: SequencerTools<Item>
  /** Undefined until `start`. */
  #positions: Map<string, number> | undefined
  #early: { key: string; seq: number; item: Item }[] = []
  #gaps = new Map<string, Gap<Item>>()
  #stopped = false

  constructor(tools: SequencerTools<Item>) {
    this.#tools = tools
  }

  get isStarted(): boolean {
    return this.#positions !== undefined
  }

  /** The streams that are followed, and where they stand. */
  get positions(): ReadonlyMap<string, number> {
    return this.#positions ?? new Map()
  }

  /** Says where the streams stand. What came before this is taken in its turn now, even if it is not later than that. */
  start(positions: Iterable<readonly [key: string, position: number]>): void {
    if (this.#stopped) return
    const starting = new Map(positions)
    for (const { key, seq } of this.#early) {
      const position = starting.get(key)
      if (position !== undefined && seq <= position) starting.set(key, seq - 1)
    }
    this.#positions = starting
    const early = this.#early
    this.#early = []
    for (const { key, seq, item } of early) {
      if (!this.accept(key, seq, item)) continue
      this.#tools.deliver(item)
      this.release(key)
    }
  }

  /** Forgets what came before `start`, which failed. */
  reset(): void {
    this.#early = []
  }

  /** Follows a stream from a position, unless it is followed already. */
  follow(key: string, position: number): void {
    if (this.#positions?.has(key)) return
    this.#positions?.set(key, position)
    this.release(key)
  }

  /**
   * Whether it is an item's turn: then it counts as delivered, and the caller delivers it and calls `release`. Otherwise it was
   * here before, or waits.
   */
  accept(key: string, seq: number, item: Item): boolean {
    if (this.#stopped) return false
    const positions = this.#positions
    if (!positions) {
      this.#early.push({ key, seq, item })
      return false
    }
    const gap = this.#gaps.get(key)
    if (gap?.isReading) {
      gap.goal = Math.max(gap.goal, seq)
      return false
    }
    const position = positions.get(key)
    if (position !== undefined && seq <= position) return false
    if (position !== undefined && seq === position + 1) {
      positions.set(key, seq)
      return true
    }
    this.#wait(key, seq, item)
    return false
  }

  /** Delivers what waited for the item that was accepted. */
  release(key: string): void {
    const gap = this.#gaps.get(key)
    if (!gap || gap.isReading) return
    let position = this.#positions?.get(key)
    if (position === undefined) return
    for (let item = gap.waiting.get(position + 1); item; item = gap.waiting.get(position + 1)) {
      this.#positions?.set(key, ++position)
      this.#tools.deliver(item)
    }
    for (const seq of gap.waiting.keys()) if (seq <= position) gap.waiting.delete(seq)
    if (gap.waiting.size === 0) this.#close(key)
  }

  /**
   * Reads what may be missing at the end of a stream, where no later item shows it; or a stream that is not followed yet.
   * @param goal the position that is known to exist.
   */
  check(key: string, goal = 0): void {
    if (!this.#positions || this.#stopped) return
    const gap = this.#gapOf(key)
    gap.goal = Math.max(gap.goal, goal)
    // One that has failed will be tried again.
    if (gap.isReading) return
    gap.cancel()
    void this.#read(key, gap)
  }

  /** Calls a listener when nothing that has come is kept waiting any more; false: that is so already. */
  whenInOrder(key: string, listener: () => void): boolean {
    const gap = this.#gaps.get(key)
    gap?.whenClosed.push(listener)
    return gap !== undefined
  }

  /** Follows a stream no more. */
  forget(key: string): void {
    this.#positions?.delete(key)
    this.#close(key)
  }

  stop(): void {
    this.#stopped = true
    for (const key of [...this.#gaps.keys()]) this.#close(key)
  }

  #wait(key: string, seq: number, item: Item): void {
    const isNew = !this.#gaps.has(key)
    const gap = this.#gapOf(key)
    gap.waiting.set(seq, item)
    gap.goal = Math.max(gap.goal, seq)
    if (isNew) gap.cancel = this.#tools.clock.after(PATIENCE_MS, () => void this.#read(key, gap))
  }

  #gapOf(key: string): Gap<Item> {
    const gap = this.#gaps.get(key) ?? {
      waiting: new Map(),
      goal: 0,
      isReading: false,
      cancel: () => {},
      whenClosed: [],
    }
    this.#gaps.set(key, gap)
    return gap
  }

  /** What waits is in the store too: it is read with what is missing, as is all that comes meanwhile. */
  async #read(key: string, gap: Gap<Item>): Promise<void> {
    gap.isReading = true
    gap.waiting.clear()
    for (let misses = 0; ; ) {
      // Only what was known of before a reading has to be in it.
      const { goal } = gap
      let reading: Reading
      try {
        reading = await this.#tools.catchUp(key, this.#positions?.get(key))
      } catch (error) {
        this.#tools.failed(error)
        if (this.#gaps.get(key) !== gap) return
        gap.cancel = this.#tools.clock.after(AGAIN_MS, () => void this.#read(key, gap))
        return
      }
      // What was read for a gap that is closed by now is no longer for this one to deliver.
      if (this.#gaps.get(key) !== gap) return
      reading.deliver()
      // Whoever listened may be put out by it.
      if (this.#gaps.get(key) !== gap) return
      let position = reading.upTo
      if (position === undefined) return this.forget(key)
      if (reading.isLast && position < goal && ++misses === MOST_READS) {
        // What is stored nowhere by now will not come.
        position = goal
        misses = 0
      }
      this.#positions?.set(key, position)
      if (reading.isLast && position >= gap.goal) return this.#close(key)
    }
  }

  #close(key: string): void {
    const gap = this.#gaps.get(key)
    if (!gap) return
    gap.cancel()
    this.#gaps.delete(key)
    for (const listener of gap.whenClosed) listener()
  }
}
