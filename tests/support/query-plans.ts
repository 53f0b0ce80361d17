import type { Database } from '../../src/db/database.ts'
import { logStatements } from './sql-log.ts'

interface Plan {
  'Node Type': string
  'Relation Name'?: string
  'Actual Rows': number
  'Actual Loops': number
  'Rows Removed by Filter'?: number
  'Rows Removed by Index Recheck'?: number
  Plans?: Plan[]
}

/** Runs `work`, and counts the rows of a table that its queries scan, including those that a filter removes. */
export async function rowsReadOf(table: string, db: Database, work: () => Promise<unknown>): Promise<number> {
  const log = logStatements(db)
  await work()
  log.stop()
  let rows = 0
  for (const { sql, params } of log.queries) {
    const [row] = await db.rows<{ 'QUERY PLAN': [{ Plan: Plan }] }>(
      `explain (analyze, format json) ${sql}`,
      params,
    )
    const scans = nodesOf(row!['QUERY PLAN'][0].Plan).filter((node) => node['Relation Name'] === table)
    for (const scan of scans) rows += rowsOf(scan)
  }
  return rows
}

function rowsOf(scan: Plan): number {
  const dropped = (scan['Rows Removed by Filter'] ?? 0) + (scan['Rows Removed by Index Recheck'] ?? 0)
  return (scan['Actual Rows'] + dropped) * scan['Actual Loops']
}

function nodesOf(plan: Plan): Plan[] {
  return [plan, ...(plan.Plans ?? []).flatMap(nodesOf)]
}
