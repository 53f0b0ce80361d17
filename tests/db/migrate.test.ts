import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { promisify } from 'node:util'
import { sql } from 'drizzle-orm'
import postgres from 'postgres'
import { describe, expect, it, onTestFinished } from 'vitest'
import { migrateEmbedded, migratePostgres } from '../../src/db/migrate.ts'
import { openDatabase } from '../../src/db/open-database.ts'
import { addPeople, contentsFor, openChat, startGroup } from '../support/chat-services.ts'
import { createTestDatabase, openTestDatabase } from '../support/database.ts'
import { STORED_COPIES } from '../support/stored-copies.ts'
import { rounds } from '../support/stress.ts'

const FUTURE = Date.UTC(2100, 0)

describe('migrating', () => {
  it('is idempotent', async () => {
    const db = await openDatabase({ kind: 'embedded', dir: 'memory://' })
    onTestFinished(() => db.close())
    await migrateEmbedded(db.orm)
    expect(await db.rows('select 1 from users', [])).toEqual([])
  })

  it('reports a migration that drizzle skipped silently', async () => {
    const db = await openDatabase({ kind: 'embedded', dir: 'memory://' })
    onTestFinished(() => db.close())
    await db.rows('update drizzle.__drizzle_migrations set hash = $1, created_at = $2', ['another', FUTURE])
    await expect(migrateEmbedded(db.orm)).rejects.toThrow(/were not applied/)
  })

  it('rejects a database that a newer version has migrated', async () => {
    const db = await openDatabase({ kind: 'embedded', dir: 'memory://' })
    onTestFinished(() => db.close())
    await db.rows('insert into drizzle.__drizzle_migrations (hash, created_at) values ($1, $2)', [
      'newer',
      FUTURE,
    ])
    await expect(migrateEmbedded(db.orm)).rejects.toThrow(/newer version/)
  })
})

describe.runIf(process.env.DATABASE_URL)('on PostgreSQL', () => {
  it('four concurrent processes all succeed, and apply each migration once', async () => {
    const { url, drop } = await createTestDatabase(process.env.DATABASE_URL ?? '')
    onTestFinished(drop)
    const run = promisify(execFile)
    const env = { PATH: process.env.PATH, DATABASE_URL: url }
    await Promise.all(
      Array.from({ length: 4 }, () => run(process.execPath, ['dist/cli/migrate.js'], { env })),
    )
    const client = postgres(url, { max: 1 })
    const applied = await client`select hash from drizzle.__drizzle_migrations`
    await client.end()
    expect(new Set(applied.map(({ hash }) => hash)).size).toBe(applied.length)
    await migratePostgres(url)
  })
})

describe.runIf(process.env.DATABASE_URL)('on PostgreSQL, repeatedly', () => {
  const ROUNDS = rounds(3, 60)

  it(`four concurrent processes all succeed, on ${ROUNDS} empty databases`, {
    timeout: 300_000,
  }, async () => {
    const { url, drop } = await createTestDatabase(process.env.DATABASE_URL ?? '')
    const client = postgres(url, { max: 1, onnotice: () => {} })
    onTestFinished(async () => {
      await client.end()
      await drop()
    })
    for (let round = 0; round < ROUNDS; round++) {
      await Promise.all(Array.from({ length: 4 }, () => migratePostgres(url)))
      const applied = await client`select hash from drizzle.__drizzle_migrations`
      expect(applied.length).toBeGreaterThan(0)
      expect(new Set(applied.map(({ hash }) => hash)).size).toBe(applied.length)
      await client`drop schema public, drizzle cascade`
      await client`create schema public`
    }
  })
})

it('marks the messages before a member’s first one as read', async () => {
  const db = await openTestDatabase()
  onTestFinished(() => db.close())
  const chat = await openChat(db)
  const [ann, bob, cid, dee] = await addPeople(db, 'ann', 'bob', 'cid', 'dee')
  const group = await startGroup(chat, [ann, bob])
  const send = (to: string[]) => chat.messages.send(group, ann, contentsFor(to, 'x'))
  await send([ann, bob])
  await send([ann, bob])
  await chat.conversations.addMembers(group, ann, { newMembers: [cid] })
  await send([ann, bob, cid])
  await chat.conversations.addMembers(group, ann, { newMembers: [dee] })
  await chat.conversations.markRead(group, bob, 1)
  // As the first version had them.
  await db.rows('update members set read_seq = 0 where user_id <> $1', [bob])
  await db.rows(`create table messages as select * from ${STORED_COPIES}`, [])
  await db.orm.execute(sql.raw(readFileSync('drizzle/0002_read_from_joining.sql', 'utf8')))
  await db.rows('drop table messages', [])
  const reading = await Promise.all(
    [ann, bob, cid, dee].map(async (userId) => {
      const details = await chat.conversations.open(group, userId)
      return [details.readSeqs.get(userId), details.unread]
    }),
  )
  expect(reading).toEqual([
    [0, 0],
    [1, 2],
    [2, 1],
    [3, 0],
  ])
})

describe('the constraints of the tables reject', () => {
  const [ann, bob] = ['00000000-0000-7000-8000-00000000000a', '00000000-0000-7000-8000-00000000000b']
  const [first, second] = ['00000000-0000-7000-8000-000000000001', '00000000-0000-7000-8000-000000000002']

  async function twoPeopleTalking() {
    const db = await openTestDatabase()
    onTestFinished(() => db.close())
    for (const [id, name] of [
      [ann, 'ann'],
      [bob, 'bob'],
    ]) {
      const values = [id, name, `${name}@example.com`]
      await db.rows(
        'insert into users (id, short_id, email, username, display_name) values ($1, $2, $3, $2, $3)',
        values as string[],
      )
    }
    for (const id of [first, second])
      await db.rows('insert into conversations (id, private) values ($1, true)', [id])
    return db
  }

  it.each([
    [
      'an alias on a private conversation',
      `insert into conversations (id, private, alias) values (gen_random_uuid(), true, 'x')`,
    ],
    [
      'an empty alias',
      `insert into conversations (id, private, alias) values (gen_random_uuid(), false, '')`,
    ],
    [
      'two private conversations of the same two people',
      `insert into private_pairs values ('${ann}', '${bob}', '${first}'), ('${ann}', '${bob}', '${second}')`,
    ],
    [
      'a private pair the other way around',
      `insert into private_pairs values ('${bob}', '${ann}', '${first}')`,
    ],
    [
      'two key pairs of one member',
      `insert into encryption_keys (conversation_id, user_id, vault_key, public_key, private_key)
       select '${first}', '${ann}', 'key', '', '' from generate_series(1, 2)`,
    ],
    [
      'a member who does not exist',
      `insert into members (conversation_id, user_id) values ('${first}', gen_random_uuid())`,
    ],
    [
      'two messages with the same seq',
      `insert into message_groups (id, conversation_id, sender_id, seq)
       select gen_random_uuid(), '${first}', '${ann}', 1 from generate_series(1, 2)`,
    ],
    [
      'an edit before its message',
      `insert into message_groups (id, conversation_id, sender_id, seq, edited_seq)
       values (gen_random_uuid(), '${first}', '${ann}', 5, 4)`,
    ],
    [
      'one address in two spellings',
      `insert into users (id, short_id, email, username, display_name)
       values (gen_random_uuid(), 'x', 'ANN@example.com', 'xyz', 'x')`,
    ],
    ['an unknown theme', `insert into profiles (user_id, theme) values ('${ann}', 'pink')`],
    ['a magnification out of range', `insert into profiles (user_id, magnification) values ('${ann}', 1.5)`],
  ])('%s', async (_name, statement) => {
    const db = await twoPeopleTalking()
    await expect(db.rows(statement, [])).rejects.toThrow(/constraint/)
  })
})
