import { onTestFinished, vi } from 'vitest'
import type { Database } from '../../src/db/database.ts'

interface Session {
  prepareQuery(query: { sql: string }, ...rest: unknown[]): unknown
}

/** Writes down every statement that drizzle sends, in a transaction or not, until the test has finished. */
export function logStatements(db: Database): { statements: string[] } {
  const log = { statements: [] as string[] }
  const { session } = db.orm._ as unknown as { session: Session }
  const prototype = Object.getPrototypeOf(session) as Session
  const { prepareQuery } = prototype
  const spy = vi.spyOn(prototype, 'prepareQuery').mockImplementation(function (this: Session, ...args) {
    log.statements.push(args[0].sql)
    return prepareQuery.apply(this, args)
  })
  onTestFinished(() => spy.mockRestore())
  return log
}
