import type { Settled } from '../../support/phoenix.ts'
import type { Journal } from './journal.ts'
import { reasonOf } from './person.ts'

/** Counts a rejected request. A reason other than `reasons` is a violation. */
export function recordRejection(journal: Journal, what: string, answer: Settled, reasons: string[]): void {
  const reason = reasonOf(answer)
  journal.count(`rejected: ${reason}`)
  if (!reasons.includes(reason)) {
    journal.violation(`${what} was rejected with ${JSON.stringify(answer.response)}`)
  }
}
