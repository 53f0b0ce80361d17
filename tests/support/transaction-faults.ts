import type { Database, Orm } from '../../src/db/database.ts'

/**
 * Where a transaction fails: the connection is lost at `begin`, before the commit arrives, or before the reply to the commit
 * arrives; a lock times out; or the database is unreachable.
 */
export type TransactionFault = 'begin' | 'before_commit' | 'commit_reply' | 'lock_timeout' | 'unreachable'

const CODES: Record<TransactionFault, string> = {
  begin: 'CONNECTION_CLOSED',
  before_commit: 'CONNECTION_CLOSED',
  commit_reply: 'CONNECTION_CLOSED',
  lock_timeout: '55P03',
  unreachable: 'ECONNREFUSED',
}

/** Makes transactions and statements that insert fail. Each takes the next of `faults`, and `otherwise` when none is left. */
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
  const { transaction, rows } = db
  db.transaction = async <T>(work: (tx: Orm) => Promise<T>): Promise<T> => {
    const fault = injected.faults.shift() ?? injected.otherwise
    if (fault === undefined) return transaction(work)
    if (fault === 'commit_reply') await transaction(work)
    if (fault === 'before_commit') await rollBack(work)
    injected.failureCount++
    throw failureOf(fault)
  }

  db.rows = async <Row>(statement: string, params: unknown[]): Promise<Row[]> => {
    if (!statement.includes('insert into')) return rows(statement, params)
    const fault = injected.faults.shift() ?? injected.otherwise
    if (fault === undefined) return rows(statement, params)
    if (fault === 'commit_reply') await rows(statement, params)
    injected.failureCount++
    throw failureOf(fault)
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

function failureOf(fault: TransactionFault): Error {
  return Object.assign(new Error(`fault: ${fault}`), { code: CODES[fault] })
}
