import { setImmediate } from 'node:timers/promises'

interface Waiting<Question, Answer> {
  question: Question
  resolve: (answer: Answer) => void
  reject: (error: unknown) => void
}

interface GatheringOptions {
  /** Questions of one call, at most. */
  atOnce: number
  /** Calls that may be under way at the same time. */
  calls: number
}

/**
 * Asks together what is asked at the same time: while as many calls are under way as may be, the questions that come gather, and
 * go together in the next. When a call fails, it does for all its questions.
 */
export class Gathering<Question, Answer> {
  readonly #ask: (questions: Question[]) => Promise<Answer[]>
  readonly #options: GatheringOptions
  readonly #waiting: Waiting<Question, Answer>[] = []
  #calls = 0

  /** @param ask answers each question, in the same order. */
  constructor(ask: (questions: Question[]) => Promise<Answer[]>, options: GatheringOptions) {
    this.#ask = ask
    this.#options = options
  }

  ask(question: Question): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ question, resolve, reject })
      if (this.#calls < this.#options.calls) void this.#work()
    })
  }

  async #work(): Promise<void> {
    this.#calls++
    while (this.#waiting.length) {
      // What has reached the sockets by now goes along.
      await setImmediate()
      await this.#call(this.#waiting.splice(0, this.#options.atOnce))
    }
    this.#calls--
  }

  async #call(waiting: Waiting<Question, Answer>[]): Promise<void> {
    if (!waiting.length) return
    try {
      const answers = await this.#ask(waiting.map(({ question }) => question))
      for (const [index, { resolve }] of waiting.entries()) resolve(answers[index] as Answer)
    } catch (error) {
      for (const { reject } of waiting) reject(error)
    }
  }
}
