import { randomBytes } from 'node:crypto'
import { openAsBlob } from 'node:fs'
import { PGlite } from '@electric-sql/pglite'
import { sql } from 'drizzle-orm'
import postgres from 'postgres'
import type { Database } from '../../src/db/database.ts'
import { EXTENSIONS, embeddedDatabase } from '../../src/db/embedded.ts'
import { openPostgres } from '../../src/db/postgres.ts'
import { EMBEDDED_TEMPLATE } from './embedded-template.ts'

/** Opened by this test file and in use by no test now: opening one takes a second, and emptying it milliseconds. */
const idle: Database[] = []

/** Larger tables are truncated. For smaller ones `delete` is faster, but it does not free space. */
const MAX_BYTES_TO_DELETE = 256 * 1024

/**
 * An empty, migrated database, which `close` empties and keeps for the next test that asks. It is on the server of `DATABASE_URL`
 * when that is set, otherwise embedded and in memory. A test that changes the schema opens a database of its own.
 */
export async function openTestDatabase(): Promise<Database> {
  const database = idle.pop() ?? (await createDatabase(process.env.DATABASE_URL))
  let isOpen = true
  return {
    ...database,
    async close() {
      if (!isOpen) return
      isOpen = false
      await truncateAll(database)
      idle.push(database)
    },
  }
}

async function createDatabase(server: string | undefined): Promise<Database> {
  if (!server) return embeddedDatabase(await copyTemplate())
  const { url } = await createTestDatabase(server)
  return openPostgres({ url, poolSize: 10 })
}

async function copyTemplate(): Promise<PGlite> {
  return PGlite.create({ loadDataDir: await openAsBlob(EMBEDDED_TEMPLATE.archive), extensions: EXTENSIONS })
}

/** A new, empty PostgreSQL database for tests that open it themselves, several times perhaps. */
export async function createTestDatabase(
  server: string,
): Promise<{ url: string; drop: () => Promise<void> }> {
  const name = `${prefixOf(process.ppid)}${randomBytes(8).toString('hex')}`
  await onServer(server, (sql) => sql.unsafe(`create database ${name}`))
  const url = new URL(server)
  url.pathname = `/${name}`
  const drop = () => onServer(server, (sql) => sql.unsafe(`drop database if exists ${name} with (force)`))
  return { url: url.href, drop }
}

/** Drops the databases that the workers of this process have left. */
export async function dropTestDatabases(server: string): Promise<void> {
  await onServer(server, async (sql) => {
    const databases =
      await sql`select datname from pg_database where starts_with(datname, ${prefixOf(process.pid)})`
    for (const { datname } of databases) await sql.unsafe(`drop database if exists ${datname} with (force)`)
  })
}

/** Empties all tables, for tests that share a database. */
export async function truncateAll({ orm }: Database): Promise<void> {
  await orm.execute(EMPTY_ALL)
}

/** One statement, because one round trip per table would take longer. */
const EMPTY_ALL = sql.raw(`
do $$
declare
  name text;
  has_rows boolean;
begin
  if current_setting('is_superuser') = 'off' or exists (
    select 1 from pg_class
    where relnamespace = 'public'::regnamespace and relkind = 'r' and pg_total_relation_size(oid) > ${MAX_BYTES_TO_DELETE}
  ) then
    execute (
      select 'truncate ' || string_agg(format('%I', tablename), ', ') from pg_tables where schemaname = 'public'
    );
    return;
  end if;
  set local session_replication_role = replica; -- disables foreign keys
  for name in select format('%I', tablename) from pg_tables where schemaname = 'public' loop
    execute 'select exists (select 1 from ' || name || ')' into has_rows;
    if has_rows then
      execute 'delete from ' || name;
    end if;
  end loop;
end $$`)

/** Database names contain the id of the process whose workers created them. */
function prefixOf(pid: number): string {
  return `parley_test_${pid}_`
}

async function onServer(server: string, work: (sql: postgres.Sql) => Promise<unknown>): Promise<void> {
  const client = postgres(server, { max: 1, onnotice: () => {} })
  try {
    await work(client)
  } finally {
    await client.end({ timeout: 5 })
  }
}
