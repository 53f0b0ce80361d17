/** Numbers that look random and are the same for the same seed. */
export class Random {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  /** From 0 up to 1 (mulberry32). */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }

  /** A whole number from `low` up to but not including `high`. */
  between(low: number, high: number): number {
    return low + Math.floor(this.next() * (high - low))
  }

  pick<T>(from: readonly T[]): T {
    return from[this.between(0, from.length)] as T
  }

  chance(probability: number): boolean {
    return this.next() < probability
  }

  shuffled<T>(from: readonly T[]): T[] {
    const rest = [...from]
    const taken: T[] = []
    while (rest.length) taken.push(...rest.splice(this.between(0, rest.length), 1))
    return taken
  }
}
