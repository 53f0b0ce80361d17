import type { Settled } from '../../support/phoenix.ts'
import type { Journal } from './journal.ts'
import { reasonOf } from './person.ts'

/** Counts a refusal; one that none of these reasons explains is a violation. */
export function noteRefusal(journal: Journal, what: string, answer: Settled, reasons: string[]): void {
  const reason = reasonOf(answer)
  journal.count(`refused: ${reason}`)
  if (!reasons.includes(reason)) {
    journal.violation(`${what} was refused with ${JSON.stringify(answer.response)}`)
  }
}
