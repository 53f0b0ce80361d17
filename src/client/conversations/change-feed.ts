import type { WireCatchUp, WireChange, WireMessages } from '../wire.ts'
import { seqOf } from './wire-events.ts'

/** What a feed does with changes, and where it gets those it has missed. */
export interface ChangeFeedOptions {
  apply: (change: WireChange, source: 'live' | 'missed') => Promise<void>
  /** Replaces all messages by the newest page. */
  reset: (page: WireMessages, isFirst: boolean) => Promise<void>
  /** Reads the changes after a `seq`. */
  catchUp: (afterSeq: number) => Promise<WireCatchUp>
  /** Whether the topic is joined: otherwise the reply to its join will have what is missing. */
  isJoined: () => boolean
  failed: (error: unknown) => void
}

/** Brings the changes of one conversation into their order, each once, whichever way they come. */
export class ChangeFeed {
  readonly #options: ChangeFeedOptions
  #known: number | undefined
  #held: WireChange[] = []
  #work: Promise<void> = Promise.resolve()

  constructor(options: ChangeFeedOptions) {
    this.#options = options
  }

  /** The `seq` up to which all changes are applied; undefined before the first join. */
  get known(): number | undefined {
    return this.#known
  }

  /** Takes an event. */
  receive(change: WireChange): void {
    this.#enqueue(() => this.#take(change))
  }

  /** Takes the reply to a join. Resolves when its changes are applied. */
  joined(reply: WireCatchUp): Promise<void> {
    return this.#enqueue(async () => {
      await this.#merge(reply)
      const held = this.#held
      this.#held = []
      for (const change of held) await this.#take(change)
    })
  }

  /** Forgets what is known: the reply to the next join brings the newest page. */
  forget(): void {
    this.#known = undefined
  }

  /** Runs a function between two changes. */
  between(run: () => Promise<void>): Promise<void> {
    return this.#enqueue(run)
  }

  #enqueue(run: () => Promise<void>): Promise<void> {
    const result = this.#work.then(run)
    this.#work = result.catch((error) => this.#options.failed(error))
    return this.#work
  }

  async #take(change: WireChange): Promise<void> {
    const seq = seqOf(change)
    if (this.#known === undefined) return void this.#held.push(change)
    if (seq <= this.#known) return
    if (seq === this.#known + 1) return this.#apply(change, seq, 'live')
    if (!this.#options.isJoined()) return void this.#held.push(change)
    // A gap: also someone leaving takes a `seq`, without an event that carries it.
    await this.#merge(await this.#options.catchUp(this.#known))
    if (seq > this.#known) await this.#apply(change, seq, 'missed')
  }

  async #merge({ recovered = false, last_seq, changes = [], messages }: WireCatchUp): Promise<void> {
    const known = this.#known
    if (recovered && known !== undefined) {
      for (const change of changes) {
        if (seqOf(change) > known) await this.#apply(change, seqOf(change), 'missed')
      }
      this.#known = Math.max(this.#known ?? 0, last_seq)
    } else if (messages) {
      this.#known = last_seq
      await this.#options.reset(messages, known === undefined)
    }
  }

  async #apply(change: WireChange, seq: number, source: 'live' | 'missed'): Promise<void> {
    this.#known = seq
    await this.#options.apply(change, source)
  }
}
