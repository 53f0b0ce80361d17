import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { onTestFinished, vi } from 'vitest'
import type { Database } from '../../src/db/database.ts'
import { openPostgres } from '../../src/db/postgres.ts'
import { createTestDatabase, openTestDatabase } from './database.ts'

const POOL_SIZE = 4
const MAX_RUNS = 100

/**
 * Counts how often a server waits for its database in turn. What is sent before any answer to an exchange has come shares its round
 * trip, whether on one connection or on several.
 */
class RoundTrips {
  #answered = 0
  #count = 0
  #isDiscarded = false

  /** An exchange begins. @returns the function to call when it is answered. */
  begin(): () => void {
    const depth = this.#answered + 1
    this.#count = Math.max(this.#count, depth)
    return () => {
      this.#answered = Math.max(this.#answered, depth)
    }
  }

  /** The present run does not count: it prepares a statement, as the first use on each connection does, or runs timers. */
  discardRun(): void {
    this.#isDiscarded = true
  }

  /** The number of round trips of `work` and of what it leaves running in the background, once everything is prepared. */
  async of(work: (run: number) => Promise<unknown>): Promise<number> {
    for (let run = 0; run < MAX_RUNS; run++) {
      this.#answered = 0
      this.#count = 0
      this.#isDiscarded = false
      await work(run)
      await settled(() => this.#count)
      if (run > 0 && !this.#isDiscarded) return this.#count
    }
    throw new Error('Every run was discarded.')
  }
}

/** An empty database whose round trips are counted until the test has finished: PostgreSQL on the wire, PGlite by its statements. */
export async function openCountedDatabase(): Promise<{ database: Database; trips: RoundTrips }> {
  const server = process.env.DATABASE_URL
  return server ? countOnWire(server) : countStatements(await openTestDatabase())
}

async function countOnWire(server: string) {
  const { url, drop } = await createTestDatabase(server)
  const trips = new RoundTrips()
  const target = new URL(url)
  const proxy = createServer((client) => relay(client, target, trips)).listen(0, '127.0.0.1')
  await once(proxy, 'listening')
  const counted = new URL(url)
  counted.hostname = '127.0.0.1'
  counted.port = String((proxy.address() as AddressInfo).port)
  const database = await openPostgres({ url: counted.href, poolSize: POOL_SIZE })
  // Opens all connections.
  await Promise.all(Array.from({ length: POOL_SIZE }, () => database.rows('select pg_sleep(0.1)', [])))
  onTestFinished(async () => {
    await database.close()
    proxy.close()
    await drop()
  })
  return { database, trips }
}

function relay(client: Socket, { hostname, port }: URL, trips: RoundTrips): void {
  const server = connect(Number(port || 5432), hostname)
  let outstanding: (() => void)[] = []
  client.on('data', (data) => {
    if (preparesStatement(data)) trips.discardRun()
    outstanding.push(trips.begin())
    server.write(data)
  })
  server.on('data', (data) => {
    for (const answered of outstanding) answered()
    outstanding = []
    client.write(data)
  })
  for (const [socket, other] of [
    [client, server],
    [server, client],
  ] as const) {
    socket.on('error', () => {})
    socket.on('close', () => other.destroy())
  }
}

/** Whether the messages begin with one that prepares a named statement (PostgreSQL 55.7, Parse), or with a new connection. */
function preparesStatement(data: Buffer): boolean {
  const nameAt = 5
  return data[0] === 0 || (data[0] === 'P'.charCodeAt(0) && data[nameAt] !== 0)
}

interface Prepared {
  execute(...args: unknown[]): Promise<unknown>
}

/** A transaction of statements that wait for each other has two more, for its begin and its end. */
function countStatements(db: Database) {
  const trips = new RoundTrips()
  const count = async <T>(run: () => Promise<T>): Promise<T> => {
    const answered = trips.begin()
    try {
      return await run()
    } finally {
      answered()
    }
  }
  const wait = () => count(() => Promise.resolve())
  // Drizzle does not type its session.
  const { session } = db.orm._ as unknown as { session: { prepareQuery(...args: unknown[]): Prepared } }
  const prototype = Object.getPrototypeOf(session) as typeof session
  const { prepareQuery } = prototype
  const spy = vi.spyOn(prototype, 'prepareQuery').mockImplementation(function (this: object, ...args) {
    const prepared = prepareQuery.apply(this as typeof session, args)
    const { execute } = prepared
    prepared.execute = (...values) => count(() => execute.apply(prepared, values))
    return prepared
  })
  onTestFinished(async () => {
    spy.mockRestore()
    await db.close()
  })
  const database: Database = {
    ...db,
    rows: (...args) => count(() => db.rows(...args)),
    pipeline: (statements) => count(() => db.pipeline(statements)),
    async transaction(work) {
      await wait()
      const result = await db.transaction(work)
      await wait()
      return result
    },
  }
  return { database, trips }
}

/** Waits until a count has stayed the same for a while. */
async function settled(count: () => number): Promise<void> {
  for (let last = -1; last !== count(); ) {
    last = count()
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}
