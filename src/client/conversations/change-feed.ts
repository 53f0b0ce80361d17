import { isTemporary, retryDelay, sleep } from '../timing.ts'
import type { WireCatchUp, WireChange, WireMessages } from '../wire.ts'
import { seqOf } from './wire-events.ts'

/** Attempts to do what fails for another reason than the connection or the state of the server. */
const MAX_UNEXPLAINED_FAILURES = 5

/** What a feed does with changes, and where it gets those it has missed. */
export interface ChangeFeedOptions {
  apply: (change: WireChange, source: 'live' | 'missed') => Promise<void>
  /** Replaces all messages by the newest page. */
  reset: (page: WireMessages) => Promise<void>
  /** Reads the changes after a `seq`. */
  catchUp: (afterSeq: number) => Promise<WireCatchUp>
  /** Whether the topic is joined: otherwise the reply to its join will have what is missing. */
  isJoined: () => boolean
  /** Called when something has failed for the first time. It is tried again. */
  failed: (error: unknown) => void
  /** Aborted when trying again makes no sense any more. */
  ended: AbortSignal
}

/** Brings the changes of one conversation into their order, each once, whichever way they come. */
export class ChangeFeed {
  readonly #options: ChangeFeedOptions
  #known: number | undefined
  #held: WireChange[] = []
  #work: Promise<void> = Promise.resolve()
  /** Why the newest page could not be taken. */
  #resetError: unknown

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
    return this.#enqueue(() => this.#attempt(run))
  }

  /** Resolves when everything that has come is applied. @throws the error for which the newest page is not known. */
  async ready(): Promise<void> {
    await this.#work
    if (this.#known === undefined && this.#resetError !== undefined) throw this.#resetError
  }

  #enqueue(run: () => Promise<void>): Promise<void> {
    const result = this.#work.then(run)
    // It was announced when it failed for the first time.
    this.#work = result.catch(() => {})
    return this.#work
  }

  async #take(change: WireChange): Promise<void> {
    const seq = seqOf(change)
    if (this.#known === undefined) return void this.#held.push(change)
    if (seq <= this.#known) return
    if (seq === this.#known + 1) return this.#apply(change, seq, 'live')
    if (!this.#options.isJoined()) return void this.#held.push(change)
    // A gap: also someone leaving takes a `seq`, without an event that carries it.
    const known = this.#known
    await this.#merge(await this.#attempt(() => this.#options.catchUp(known)))
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
      try {
        await this.#attempt(() => this.#options.reset(messages))
        this.#known = last_seq
        this.#resetError = undefined
      } catch (error) {
        this.#resetError = error
        throw error
      }
    }
  }

  async #apply(change: WireChange, seq: number, source: 'live' | 'missed'): Promise<void> {
    try {
      await this.#attempt(() => this.#options.apply(change, source))
    } catch (error) {
      if (this.#options.ended.aborted) throw error
      // One change that can never be applied must not hold up the others.
    }
    this.#known = seq
  }

  /** Runs a function until it succeeds: until then, nothing that came later is applied. */
  async #attempt<T>(run: () => Promise<T>): Promise<T> {
    const { ended, failed } = this.#options
    for (let failures = 0; ; failures++) {
      try {
        return await run()
      } catch (error) {
        ended.throwIfAborted()
        if (failures === 0) failed(error)
        if (!isTemporary(error) && failures + 1 >= MAX_UNEXPLAINED_FAILURES) throw error
        await sleep(retryDelay(error, failures), ended)
      }
    }
  }
}
