import { onTestFinished, vi } from 'vitest'
import type { Database } from '../../src/db/database.ts'

interface Query {
  sql: string
  params: unknown[]
}

interface Session {
  prepareQuery(query: Query, ...rest: unknown[]): unknown
}

/** Records all statements that Drizzle sends, inside and outside of transactions, until the test has finished. */
export function logStatements(db: Database): { statements: string[]; queries: Query[]; stop(): void } {
  const log = { statements: [] as string[], queries: [] as Query[], stop: () => spy.mockRestore() }
  const { session } = db.orm._ as unknown as { session: Session }
  const prototype = Object.getPrototypeOf(session) as Session
  const { prepareQuery } = prototype
  const spy = vi.spyOn(prototype, 'prepareQuery').mockImplementation(function (this: Session, ...args) {
    log.statements.push(args[0].sql)
    log.queries.push(args[0])
    return prepareQuery.apply(this, args)
  })
  onTestFinished(log.stop)
  return log
}
