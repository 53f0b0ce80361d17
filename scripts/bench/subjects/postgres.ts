import { randomBytes } from 'node:crypto'
import postgres from 'postgres'

/** The PostgreSQL server that the subjects share. */
const SERVER_URL = process.env.DATABASE_URL ?? 'postgres://postgres@127.0.0.1:5432/postgres'

/** Creates a database for one subject. */
export async function createDatabase(): Promise<{ url: string; drop: () => Promise<void> }> {
  const name = `parley_bench_${randomBytes(6).toString('hex')}`
  await administer(`create database ${name}`)
  const url = new URL(SERVER_URL)
  url.pathname = `/${name}`
  return { url: url.href, drop: () => administer(`drop database ${name} with (force)`) }
}

async function administer(statement: string): Promise<void> {
  const sql = postgres(SERVER_URL, { max: 1, onnotice: () => {} })
  try {
    await sql.unsafe(statement)
  } finally {
    await sql.end()
  }
}
