import { readFileSync } from 'node:fs'
import { sql } from 'drizzle-orm'
import { describe, expect, it } from 'vitest'
import { correctCanonicalEmails } from '../../src/domain/accounts/canonical-emails.ts'
import { recordingLogger } from '../support/log.ts'
import { setUpEmptyDatabase } from '../support/set-up-database.ts'

const db = setUpEmptyDatabase()

/** Adds a user as the previous version does. */
async function add(email: string, { confirmed = false, year = 2020 } = {}): Promise<string> {
  const rows = await db.rows<{ id: string }>(
    `insert into users (id, short_id, username, email, display_name, email_confirmed_at, inserted_at)
     values (gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), $1, 'x', $2::timestamptz, $3::timestamptz) returning id`,
    [email, confirmed ? '2020-02-02T00:00:00Z' : null, `${year}-01-01T00:00:00Z`],
  )
  return rows[0]!.id
}

async function canonical(): Promise<Record<string, string | null>> {
  const rows = await db.rows<{ email: string; canonical: string | null }>(
    'select email, canonical_email as canonical from users',
    [],
  )
  return Object.fromEntries(rows.map((row) => [row.email, row.canonical]))
}

async function settle() {
  const { logger, lines } = recordingLogger()
  await correctCanonicalEmails(db, logger)
  return lines.flatMap(({ collisions }) => collisions ?? [])
}

describe('the previous version', () => {
  it('adds users, and changes their addresses, without the column', async () => {
    const id = await add('Rene\u0301@Example.com')
    expect(await canonical()).toEqual({ 'Rene\u0301@Example.com': 'ren\u00e9@example.com' })
    await db.rows('update users set email = $1 where id = $2', ['Ann@Example.com', id])
    expect(await canonical()).toEqual({ 'Ann@Example.com': 'ann@example.com' })
    await db.rows('update users set email = $1, canonical_email = $2 where id = $3', ['B@c.de', 'given', id])
    expect(await canonical()).toEqual({ 'B@c.de': 'given' })
  })

  it('recognizes an address that is taken by the name of the index', async () => {
    await add('ann@example.com')
    await expect(add('ANN@example.com')).rejects.toThrow(/users_email_unique/)
  })
})

describe('the migration', () => {
  /** The table as the previous version left it, with these users in it. */
  async function migrateFrom(addUsers: () => Promise<void>) {
    await db.orm.execute(sql`drop trigger users_canonical_email on users`)
    await db.orm.execute(sql`drop function fill_canonical_email`)
    await db.orm.execute(sql`drop index users_email_unique, users_email_lower, users_email_unsettled`)
    await db.orm.execute(sql`create unique index users_email_unique on users (lower(email))`)
    await addUsers()
    const statements = readFileSync('drizzle/0003_security.sql', 'utf8').split('--> statement-breakpoint')
    const first = statements.findIndex((statement) => statement.includes('DROP INDEX "users_email_unique"'))
    const last = statements.findIndex((statement) => statement.includes('CREATE TRIGGER'))
    for (const statement of statements.slice(first, last + 1)) await db.orm.execute(sql.raw(statement))
  }

  it('fills in the canonical addresses of all users', async () => {
    await migrateFrom(async () => {
      await add('Ann@Example.com')
      await add('vİctİm@example.com')
      await add('ann@Bücher.example')
    })
    expect(await settle()).toEqual([])
    expect(await canonical()).toEqual({
      'Ann@Example.com': 'ann@example.com',
      'vİctİm@example.com': 'vİctİm@example.com',
      'ann@Bücher.example': 'ann@xn--bcher-kva.example',
    })
  })

  it('reports accounts that share an address; the confirmed or older one keeps it', async () => {
    const ids: string[] = []
    await migrateFrom(async () => {
      ids.push(await add('rene\u0301@example.com', { year: 2019 }))
      ids.push(await add('ren\u00e9@example.com', { confirmed: true }))
      ids.push(await add('bob@bücher.example', { year: 2019 }))
      ids.push(await add('bob@xn--bcher-kva.example'))
      ids.push(await add('cid@bücher.example'))
      ids.push(await add('cid@xn--bcher-kva.example', { confirmed: true }))
    })
    const [rene, renee, bob, bobAscii, cid, cidAscii] = ids
    const collisions = [
      { userId: renee, withoutEmail: rene },
      { userId: bob, withoutEmail: bobAscii },
      { userId: cidAscii, withoutEmail: cid },
    ]
    for (const _start of ['first', 'second']) {
      const reported = await settle()
      expect(reported).toHaveLength(collisions.length)
      expect(reported).toEqual(expect.arrayContaining(collisions))
      expect(await canonical()).toEqual({
        'rene\u0301@example.com': null,
        'ren\u00e9@example.com': 'ren\u00e9@example.com',
        'bob@bücher.example': 'bob@xn--bcher-kva.example',
        'bob@xn--bcher-kva.example': null,
        'cid@bücher.example': null,
        'cid@xn--bcher-kva.example': 'cid@xn--bcher-kva.example',
      })
    }
  })

  it('gives a free address back to the account that lost it', async () => {
    const id = await add('ann@example.com')
    await db.rows('update users set canonical_email = null where id = $1', [id])
    expect(await settle()).toEqual([])
    expect(await canonical()).toEqual({ 'ann@example.com': 'ann@example.com' })
  })
})
