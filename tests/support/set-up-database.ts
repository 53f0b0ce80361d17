import { afterAll, beforeAll, beforeEach, onTestFinished } from 'vitest'
import type { Database } from '../../src/db/database.ts'
import { openDatabase } from '../../src/db/open-database.ts'
import { createTestDatabase, openTestDatabase, truncateAll } from './database.ts'
import { FaultProxy } from './fault-proxy.ts'

/** Opens a database for the tests of a file or a `describe`, and closes it after them. Only tests and hooks can use it. */
export function setUpDatabase(): Database {
  let database: Database | undefined
  beforeAll(async () => {
    database = await openTestDatabase()
  })
  afterAll(() => database?.close())
  return openedLater(() => database)
}

/** Like `setUpDatabase`, and empties the database before each test. */
export function setUpEmptyDatabase(): Database {
  const database = setUpDatabase()
  beforeEach(() => truncateAll(database))
  return database
}

/** A PostgreSQL database that tests also reach through a proxy, which can cut their connections. */
export interface ProxiedDatabase {
  /** Connects directly. */
  db: Database
  /** Opens a node's connections, which the proxy forwards, until the test has finished. */
  connectThroughProxy(): Promise<{ proxy: FaultProxy; proxied: Database }>
}

/** Like `setUpEmptyDatabase`, for tests that lose their connection to the server of `DATABASE_URL`. */
export function setUpProxiedDatabase(server: string): ProxiedDatabase {
  let created: Awaited<ReturnType<typeof createTestDatabase>>
  let direct: Database | undefined
  beforeAll(async () => {
    created = await createTestDatabase(server)
    direct = await openDatabase({ kind: 'postgres', url: created.url, poolSize: 4 })
  })
  afterAll(async () => {
    await direct?.close()
    await created.drop()
  })
  const db = openedLater(() => direct)
  beforeEach(() => truncateAll(db))

  async function connectThroughProxy() {
    const proxy = await FaultProxy.start(created.url)
    const proxied = await openDatabase({ kind: 'postgres', url: proxy.url, poolSize: 2 })
    onTestFinished(async () => {
      // postgres.js is slow to end a connection that was lost and never used again.
      await Promise.all([1, 2].map(() => proxied.rows('select pg_sleep(0.01)', [])))
      await proxied.close()
      await proxy.close()
    })
    return { proxy, proxied }
  }

  return { db, connectThroughProxy }
}

/** A database that is opened by a hook, after the tests are declared. */
function openedLater(find: () => Database | undefined): Database {
  function opened(): Database {
    const database = find()
    if (!database) throw new Error('The database is open only in tests and hooks.')
    return database
  }

  return {
    get kind() {
      return opened().kind
    },
    get orm() {
      return opened().orm
    },
    rows: (statement, params) => opened().rows(statement, params),
    pipeline: (statements) => opened().pipeline(statements),
    transaction: (work) => opened().transaction(work),
    ping: () => opened().ping(),
    close: () => opened().close(),
  }
}
