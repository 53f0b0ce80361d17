import type { Database, Orm } from '../../src/db/database.ts'

/**
 * What happens to a transaction: its connection is lost at the `start`, `before` its commit arrives, or with the `answer` to
 * its commit; it waits too long for a lock (`locked`), or there is no connection to be had (`away`).
 */
export type TransactionFault = 'begin' | 'before_commit' | 'commit_reply' | 'lock_timeout' | 'unreachable'

const CODES: Record<TransactionFault, string> = {
  begin: 'CONNECTION_CLOSED',
  before_commit: 'CONNECTION_CLOSED',
  commit_reply: 'CONNECTION_CLOSED',
  lock_timeout: '55P03',
  unreachable: 'ECONNREFUSED',
}

/** Makes the transactions of a database fail as `faults` say, one each, and then all as `otherwise` says; `failureCount` counts them. */
export function injectFaults(db: Database) {
  const injected: {
    faults: TransactionFault[]
    otherwise: TransactionFault | undefined
    failureCount: number
  } = {
    faults: [],
    otherwise: undefined,
    failureCount: 0,
  }
  const { transaction } = db
  db.transaction = async <T>(work: (tx: Orm) => Promise<T>): Promise<T> => {
    const fault = injected.faults.shift() ?? injected.otherwise
    if (fault === undefined) return transaction(work)
    const failure = Object.assign(new Error(`fault: ${fault}`), { code: CODES[fault] })
    if (fault === 'commit_reply') await transaction(work)
    if (fault === 'before_commit') await rollBack(work)
    injected.failureCount++
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
