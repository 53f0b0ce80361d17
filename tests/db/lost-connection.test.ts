import { sql } from 'drizzle-orm'
import { expect, it, onTestFinished } from 'vitest'
import { failureOf } from '../../src/db/failures.ts'
import { openDatabase } from '../../src/db/open-database.ts'
import { FaultProxy } from '../support/fault-proxy.ts'

const server = process.env.DATABASE_URL ?? ''

it.runIf(server).each(['before', 'during', 'reply'] as const)(
  'a transaction fails when its connection is lost (%s the statement), and the pool recovers',
  async (at) => {
    const proxy = await FaultProxy.start(server)
    onTestFinished(() => proxy.close())
    const db = await openDatabase({ kind: 'postgres', url: proxy.url, poolSize: 1 })
    onTestFinished(() => db.close())
    const cut = proxy.cut('marker', at)
    const lost = db.transaction(async (tx) => {
      await tx.execute(sql`select 1`)
      await tx.execute(sql`select 'marker'`)
    })
    const [failure] = await Promise.all([lost.catch(failureOf), cut])
    expect(failure).toBe('lost')
    const next = await db.transaction((tx) => tx.execute<{ one: number }>(sql`select 1 as one`))
    expect([...(next as unknown as { one: number }[])]).toEqual([{ one: 1 }])
  },
)
