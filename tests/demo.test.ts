import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { pino } from 'pino'
import { expect, it, onTestFinished } from 'vitest'
import { contains } from '../scripts/demo/traffic.ts'
import { buildApp } from '../src/app.ts'
import { readConfig } from '../src/config/config.ts'
import type { Database } from '../src/db/database.ts'
import { openTestDatabase } from './support/database.ts'
import { cheapPasswords } from './support/passwords.ts'

const environment = {
  SECRET_KEY_BASE: 'a secret key base for tests only, long enough',
  VAULT_KEY: 'a vault key for tests only and long enough',
  PORT: '0',
  LOG_LEVEL: 'silent',
}

it.each(['documented', 'legacy'])(
  'runs without errors, and the database contains no text of its messages (%s)',
  async (CONTRACT) => {
    const database = await openTestDatabase()
    const app = await buildApp(readConfig({ ...environment, CONTRACT }), {
      database,
      logger: pino({ level: 'silent' }),
      passwords: cheapPasswords(),
    })
    onTestFinished(() => app.close())

    const output = await runDemo(await app.listen())
    const passphrases = [...output.matchAll(/passphrase (\S{36})$/gm)].map(([, passphrase]) => passphrase!)
    expect(passphrases).toHaveLength(3)
    for (const line of [
      'Bob     reads   The lighthouse opens on Thursday: bring an umbrella. (signed)',
      'Ann     sees that Bob is typing',
      'Ann     reads   Perfect! Sandwiches and binoculars are packed. (signed)',
      'Bob     reads   The lighthouse opens on Saturday: leave the umbrella. (verified)',
      'Ann     sees that Bob has deleted a message',
      'Ann     sees that Bob has read everything',
      'Bob     reads   Shall we invite the penguins? (signed)',
      'Ann     reads   deleted (signed)',
      'Tab     signed_out',
    ])
      expect(output).toContain(`  ${line}\n`)

    const words = ['lighthouse', 'Thursday', 'Saturday', 'umbrella', 'Sandwiches', 'binoculars', 'penguins']
    expect(await rowsWith(database, ['Weekend'])).not.toEqual([])
    expect(await rowsWith(database, [...words, ...passphrases])).toEqual([])
  },
)

it.each([0, 1, 2, 3])('detects a word that was sent unencrypted, %d bytes into base64', (position) => {
  const text = `${'"'.repeat(position)}an umbrella."`
  for (const sent of [text, Buffer.from(text).toString('base64'), Buffer.from(text).toString('base64url')]) {
    const record = `["1","2","conversation:1","send_message",{"shared":"${sent}"}]`
    expect(contains(record, 'umbrella')).toBe(true)
    expect(contains(record, 'lighthouse')).toBe(false)
  }
})

/** Runs the demo with a server. @returns what it prints. @throws with its standard error. */
async function runDemo(url: string): Promise<string> {
  const env = { ...process.env, PARLEY_URL: url }
  const { stdout } = await promisify(execFile)(process.execPath, ['--import', 'tsx', 'scripts/demo.ts'], {
    env,
  })
  return stdout
}

/** All rows of all tables that contain one of these texts, as text or as bytes. */
async function rowsWith(db: Database, texts: string[]): Promise<string[]> {
  const found: string[] = []
  for (const { name } of await tables(db)) {
    const rows = await db.rows<{ row: string }>(`select t::text as row from ${name} t`, [])
    found.push(
      ...rows.map(({ row }) => row).filter((row) => texts.some((text) => contains(withBytes(row), text))),
    )
  }
  return found
}

/** A row and, as text, the bytea columns in it, which appear in hexadecimal. */
function withBytes(row: string): string {
  const bytes = [...row.matchAll(/\\x([0-9a-f]+)/g)].map(([, hex]) =>
    Buffer.from(hex!, 'hex').toString('latin1'),
  )
  return [row, ...bytes].join('\n')
}

function tables(db: Database): Promise<{ name: string }[]> {
  return db.rows(
    `select format('%I.%I', schemaname, tablename) as name from pg_tables
     where schemaname not in ('pg_catalog', 'information_schema')`,
    [],
  )
}
