import type { Clock } from '../../clock.ts'

/** What a sequencer needs. */
export interface SequencerOptions<Item> {
  clock: Clock
  /** Called for each item, in order. */
  deliver(item: Item): void
  /** Reads the first items that a stream stores after a position; undefined: from the stream's beginning. */
  catchUp(key: string, after: number | undefined): Promise<CatchUpBatch>
  /** Called when `catchUp` fails. It is retried. */
  onError(error: unknown): void
}

/** Items that were read from storage. */
export interface CatchUpBatch {
  /** The position after these items; undefined to stop following the stream. */
  upTo: number | undefined
  /** Whether the stream stores no further items. */
  isLast: boolean
  /** Delivers the items. */
  deliver(): void
}

/** A stream with missing items. */
interface Gap<Item> {
  /** Items that arrived before the missing ones, by position. */
  buffered: Map<number, Item>
  /** The highest position that is known to exist. */
  target: number
  isReading: boolean
  cancelTimer: () => void
  onClosed: (() => void)[]
}

/** Items may overtake each other between nodes. After this long, the missing ones are read from storage. */
const GAP_TIMEOUT_MS = 50
const RETRY_DELAY_MS = 1_000
/** How often storage is read for a position that it does not contain. */
const MAX_READ_ATTEMPTS = 3

/**
 * Delivers the items of numbered streams in order, each once. Items may arrive late, repeatedly, in any order or not at all:
 * missing ones are read from storage.
 */
export class Sequencer<Item> {
  readonly #options: SequencerOptions<Item>
  /** The position of each stream; undefined until `start`. */
  #positions: Map<string, number> | undefined
  /** Items that arrived before `start`. */
  #early: { key: string; seq: number; item: Item }[] = []
  #gaps = new Map<string, Gap<Item>>()
  #isStopped = false

  constructor(options: SequencerOptions<Item>) {
    this.#options = options
  }

  get isStarted(): boolean {
    return this.#positions !== undefined
  }

  /** The position up to which each followed stream is delivered. */
  get positions(): ReadonlyMap<string, number> {
    return this.#positions ?? new Map()
  }

  /**
   * Starts from the given positions. Delivers the items that arrived before, even those that the positions include: they were
   * sent after the subscription, and subscribers have not received them.
   */
  start(positions: Iterable<readonly [key: string, position: number]>): void {
    if (this.#isStopped) return
    const initial = new Map(positions)
    for (const { key, seq } of this.#early) {
      const position = initial.get(key)
      if (position !== undefined && seq <= position) initial.set(key, seq - 1)
    }
    this.#positions = initial
    const early = this.#early
    this.#early = []
    for (const { key, seq, item } of early) {
      if (!this.accept(key, seq, item)) continue
      this.#options.deliver(item)
      this.release(key)
    }
  }

  /** Discards the items that arrived before a failed start. */
  reset(): void {
    this.#early = []
  }

  /** Follows a stream from a position, unless it is already followed. */
  follow(key: string, position: number): void {
    if (this.#positions?.has(key)) return
    this.#positions?.set(key, position)
    this.release(key)
  }

  /**
   * Accepts the next item of a stream: it then counts as delivered, and the caller must deliver it and call `release`.
   * @returns false for an item that was delivered before, or is buffered until the missing ones before it are delivered.
   */
  accept(key: string, seq: number, item: Item): boolean {
    if (this.#isStopped) return false
    const positions = this.#positions
    if (!positions) {
      this.#early.push({ key, seq, item })
      return false
    }
    const gap = this.#gaps.get(key)
    if (gap?.isReading) {
      gap.target = Math.max(gap.target, seq)
      return false
    }
    const position = positions.get(key)
    if (position !== undefined && seq <= position) return false
    if (position !== undefined && seq === position + 1) {
      positions.set(key, seq)
      return true
    }
    this.#buffer(key, seq, item)
    return false
  }

  /** Delivers the buffered items that follow the accepted one. */
  release(key: string): void {
    const gap = this.#gaps.get(key)
    if (!gap || gap.isReading) return
    let position = this.#positions?.get(key)
    if (position === undefined) return
    for (let item = gap.buffered.get(position + 1); item; item = gap.buffered.get(position + 1)) {
      this.#positions?.set(key, ++position)
      this.#options.deliver(item)
    }
    for (const seq of gap.buffered.keys()) if (seq <= position) gap.buffered.delete(seq)
    if (gap.buffered.size === 0) this.#close(key)
  }

  /**
   * Reads items that may be missing at the end of a stream, where no later item reveals them, or a stream that is not followed
   * yet.
   * @param target a position that is known to exist.
   */
  check(key: string, target = 0): void {
    if (!this.#positions || this.#isStopped) return
    const gap = this.#gapOf(key)
    gap.target = Math.max(gap.target, target)
    // A read that fails is retried with this target.
    if (gap.isReading) return
    gap.cancelTimer()
    void this.#read(key, gap)
  }

  /** Calls a listener once no item of a stream is missing. @returns false, without calling it, if none is missing now. */
  onceInOrder(key: string, listener: () => void): boolean {
    const gap = this.#gaps.get(key)
    gap?.onClosed.push(listener)
    return gap !== undefined
  }

  /** Stops following a stream. */
  forget(key: string): void {
    this.#positions?.delete(key)
    this.#close(key)
  }

  stop(): void {
    this.#isStopped = true
    for (const key of [...this.#gaps.keys()]) this.#close(key)
  }

  #buffer(key: string, seq: number, item: Item): void {
    const isNew = !this.#gaps.has(key)
    const gap = this.#gapOf(key)
    gap.buffered.set(seq, item)
    gap.target = Math.max(gap.target, seq)
    if (isNew) gap.cancelTimer = this.#options.clock.after(GAP_TIMEOUT_MS, () => void this.#read(key, gap))
  }

  #gapOf(key: string): Gap<Item> {
    const gap = this.#gaps.get(key) ?? {
      buffered: new Map(),
      target: 0,
      isReading: false,
      cancelTimer: () => {},
      onClosed: [],
    }
    this.#gaps.set(key, gap)
    return gap
  }

  /** Reads until the target is reached. Buffered items, and those that arrive meanwhile, are read from storage too. */
  async #read(key: string, gap: Gap<Item>): Promise<void> {
    gap.isReading = true
    gap.buffered.clear()
    for (let misses = 0; ; ) {
      // A target that is raised during a read need not be in its result.
      const { target } = gap
      let batch: CatchUpBatch
      try {
        batch = await this.#options.catchUp(key, this.#positions?.get(key))
      } catch (error) {
        this.#options.onError(error)
        if (this.#isClosed(key, gap)) return
        gap.cancelTimer = this.#options.clock.after(RETRY_DELAY_MS, () => void this.#read(key, gap))
        return
      }
      if (this.#isClosed(key, gap)) return
      batch.deliver()
      // Delivering may remove the subscriber, and with it the stream.
      if (this.#isClosed(key, gap)) return
      let position = batch.upTo
      if (position === undefined) return this.forget(key)
      if (batch.isLast && position < target && ++misses === MAX_READ_ATTEMPTS) {
        // Positions that storage still does not contain are skipped.
        position = target
        misses = 0
      }
      this.#positions?.set(key, position)
      if (batch.isLast && position >= gap.target) return this.#close(key)
    }
  }

  #isClosed(key: string, gap: Gap<Item>): boolean {
    return this.#gaps.get(key) !== gap
  }

  #close(key: string): void {
    const gap = this.#gaps.get(key)
    if (!gap) return
    gap.cancelTimer()
    this.#gaps.delete(key)
    for (const listener of gap.onClosed) listener()
  }
}
