import { pino } from 'pino'
import { expect, it, onTestFinished } from 'vitest'
import { Scenario } from '../scripts/demo/scenario.ts'
import { TrafficRecorder } from '../scripts/demo/traffic-recorder.ts'
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
    const config = readConfig({ ...environment, CONTRACT })
    const app = await buildApp(config, {
      database,
      logger: pino({ level: 'silent' }),
      passwords: cheapPasswords(),
    })
    onTestFinished(() => app.close())

    const lines: string[] = []
    const context = { url: await app.listen(), recorder: new TrafficRecorder() }
    const { words, secrets } = await new Scenario(context, (line) => lines.push(line)).run()

    expect(words).toContain('umbrella')
    expect(lines.join('\n')).toContain('The lighthouse opens on Saturday')
    expect(await rowsWith(database, ['Weekend'])).not.toEqual([])
    expect(await rowsWith(database, [...words, ...secrets])).toEqual([])
  },
)

it('detects a word that was sent unencrypted', async () => {
  const recorder = new TrafficRecorder()
  recorder.record('["1","2","conversation:1","send_message",{"encrypted_messages":{"1":"an umbrella"}}]')
  expect(recorder.leaked(['lighthouse', 'umbrella'])).toEqual(['umbrella'])
})

/** All rows of all tables that contain one of these texts, as text or as bytes. */
async function rowsWith(db: Database, texts: string[]): Promise<string[]> {
  const found: string[] = []
  for (const { name } of await tables(db)) {
    const rows = await db.rows<{ row: string }>(`select t::text as row from ${name} t`, [])
    // A bytea column appears in hexadecimal.
    const patterns = texts.flatMap((text) => [text, Buffer.from(text).toString('hex')])
    found.push(...rows.map(({ row }) => row).filter((row) => patterns.some((text) => row.includes(text))))
  }
  return found
}

function tables(db: Database): Promise<{ name: string }[]> {
  return db.rows(
    `select format('%I.%I', schemaname, tablename) as name from pg_tables
     where schemaname not in ('pg_catalog', 'information_schema')`,
    [],
  )
}
