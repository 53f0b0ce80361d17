import type { Logger } from 'pino'

/** The log for failures that only the operator can fix. */
export type Log = Pick<Logger, 'info' | 'warn' | 'error'>

/** Logs the first failure of a repeatedly retried operation, and its recovery. */
export class FailureReporter {
  readonly #log: Log
  readonly #operation: string
  #failing = false

  /** @param operation the name of the operation, as the start of a sentence. */
  constructor(log: Log, operation: string) {
    this.#log = log
    this.#operation = operation
  }

  reportFailure(error: unknown): void {
    if (!this.#failing) {
      this.#log.error(
        { cause: causeOf(error) },
        `${this.#operation} failed. It is retried until it succeeds.`,
      )
    }
    this.#failing = true
  }

  reportRecovery(): void {
    if (this.#failing) this.#log.info(`${this.#operation} works again.`)
    this.#failing = false
  }
}

/** The code or name of the innermost cause. Error messages may contain personal data, such as addresses and query values. */
export function causeOf(error: unknown): string {
  let failure = error
  while (failure instanceof Error && failure.cause instanceof Error) failure = failure.cause
  if (!(failure instanceof Error)) return 'unknown'
  const { code, responseCode, name } = failure as Error & { code?: unknown; responseCode?: unknown }
  return [code ?? name, responseCode].filter((part) => part !== undefined).join(' ')
}
