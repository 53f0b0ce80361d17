import type { Database, Orm } from '../../src/db/database.ts'

/**
 * What happens to a transaction: its connection is lost at the `start`, `before` its commit arrives, or with the `answer` to
 * its commit; it waits too long for a lock (`locked`), or there is no connection to be had (`away`).
 */
export type TransactionFault = 'start' | 'before' | 'answer' | 'locked' | 'away'

const CODES: Record<TransactionFault, string> = {
  start: 'CONNECTION_CLOSED',
  before: 'CONNECTION_CLOSED',
  answer: 'CONNECTION_CLOSED',
  locked: '55P03',
  away: 'ECONNREFUSED',
}

/** Makes the transactions of a database fail as `faults` say, one each, and then all as `lasting` says; `failed` counts them. */
export function injectFaults(db: Database) {
  const injected: { faults: TransactionFault[]; lasting: TransactionFault | undefined; failed: number } = {
    faults: [],
    lasting: undefined,
    failed: 0,
  }
  const { transaction } = db
  db.transaction = async <T>(work: (tx: Orm) => Promise<T>): Promise<T> => {
    const fault = injected.faults.shift() ?? injected.lasting
    if (fault === undefined) return transaction(work)
    const failure = Object.assign(new Error(`fault: ${fault}`), { code: CODES[fault] })
    if (fault === 'answer') await transaction(work)
    if (fault === 'before') await rollBack(work)
    injected.failed++
    throw failure
  }

  async function rollBack(work: (tx: Orm) => Promise<unknown>): Promise<void> {
    const before = new Error('before the commit')
    const rolledBack = transaction(async (tx) => {
      await work(tx)
      throw before
    })
    await rolledBack.catch((error) => {
      if (error !== before) throw error
    })
  }

  return injected
}
