import { expect, it, onTestFinished } from 'vitest'
import { failureOf } from '../../src/db/failures.ts'
import { openDatabase } from '../../src/db/open-database.ts'
import { FaultProxy } from '../support/fault-proxy.ts'
import { setUpEmptyDatabase } from '../support/set-up-database.ts'

const server = process.env.DATABASE_URL ?? ''
const db = setUpEmptyDatabase()

const INSERT = { text: "insert into spent_states values ('a', now()) returning 1 as one", params: [] }
const COUNT = 'select count(*)::float8 as count from spent_states'

it('runs statements in order, and returns the rows of each', async () => {
  expect(await db.pipeline([INSERT, { text: COUNT, params: [] }])).toEqual([[{ one: 1 }], [{ count: 1 }]])
})

it('changes nothing when a statement fails', async () => {
  const failing = { text: 'select 1 / $1::int', params: [0] }
  for (let attempt = 0; attempt < 20; attempt++) {
    await expect(db.pipeline([INSERT, failing, INSERT])).rejects.toThrow('division by zero')
  }
  expect(await db.rows(COUNT, [])).toEqual([{ count: 0 }])
})

it.runIf(server).each(['before', 'during', 'reply'] as const)(
  'fails when its connection is lost (%s the statement), and the pool recovers',
  async (at) => {
    const proxy = await FaultProxy.start(server)
    onTestFinished(() => proxy.close())
    const proxied = await openDatabase({ kind: 'postgres', url: proxy.url, poolSize: 1 })
    onTestFinished(() => proxied.close())
    const cut = proxy.cut('marker', at)
    const lost = proxied.pipeline([{ text: "select 'marker', $1::int", params: [1] }])
    const [failure] = await Promise.all([lost.catch(failureOf), cut])
    expect(failure).toBe('lost')
    const rows = await proxied.pipeline([{ text: 'select $1::int as one', params: [1] }])
    expect(rows).toEqual([[{ one: 1 }]])
  },
)
