import type { Logger } from 'pino'

/** Where the services report what only the operator can mend. */
export type Log = Pick<Logger, 'info' | 'warn' | 'error'>

/** Something that is tried again and again: it is reported when it first fails, and when it works again. */
export class Outage {
  readonly #log: Log
  readonly #what: string
  #failing = false

  /** @param what the thing that fails, as the start of a sentence. */
  constructor(log: Log, what: string) {
    this.#log = log
    this.#what = what
  }

  begin(error: unknown): void {
    if (!this.#failing) {
      this.#log.error({ cause: causeOf(error) }, `${this.#what} fails, and is tried again until it works.`)
    }
    this.#failing = true
  }

  end(): void {
    if (this.#failing) this.#log.info(`${this.#what} works again.`)
    this.#failing = false
  }
}

/** Why something failed, in a word or two that name nobody: messages quote addresses and the values of a query. */
export function causeOf(error: unknown): string {
  let failure = error
  while (failure instanceof Error && failure.cause instanceof Error) failure = failure.cause
  if (!(failure instanceof Error)) return 'unknown'
  const { code, responseCode, name } = failure as Error & { code?: unknown; responseCode?: unknown }
  return [code ?? name, responseCode].filter((part) => part !== undefined).join(' ')
}
