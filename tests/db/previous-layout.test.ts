import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { PGlite } from '@electric-sql/pglite'
import { drizzle as drizzlePglite } from 'drizzle-orm/pglite'
import { migrate as migratePglite } from 'drizzle-orm/pglite/migrator'
import { drizzle } from 'drizzle-orm/postgres-js'
import { migrate } from 'drizzle-orm/postgres-js/migrator'
import postgres from 'postgres'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { Database } from '../../src/db/database.ts'
import { EXTENSIONS } from '../../src/db/embedded.ts'
import { openDatabase } from '../../src/db/open-database.ts'
import { copyPreviousLayout, dropPreviousLayout } from '../../src/db/previous-layout.ts'
import { readHistories } from '../../src/db/queries/conversations/messages.ts'
import { contentsFor, openChat } from '../support/chat-services.ts'
import { createTestDatabase } from '../support/database.ts'
import { temporaryFolder } from '../support/folder.ts'
import { PreviousVersion } from './previous-version.ts'

type Rows = Database['rows']

const [ANN, BOB, CID, GROUP] = Array.from(
  { length: 4 },
  (_, n) => `00000000-0000-7000-8000-00000000000${n + 1}`,
) as [string, string, string, string]
const EVERYONE = [ANN, BOB, CID]

/** The migrations of the previous version. */
function previousMigrations(): string {
  const folder = temporaryFolder()
  cpSync('drizzle', folder, { recursive: true })
  const journal = join(folder, 'meta/_journal.json')
  const { entries, ...rest } = JSON.parse(readFileSync(journal, 'utf8'))
  writeFileSync(journal, JSON.stringify({ ...rest, entries: entries.slice(0, 5) }))
  return folder
}

/**
 * A group of Ann, Bob and Cid, as the previous version has left it: with texts and Base64, edits, deletions, a member who left and came
 * back, and one who has a copy from before they were added.
 */
async function talk(rows: Rows): Promise<PreviousVersion> {
  for (const [id, name] of [
    [ANN, 'ann'],
    [BOB, 'bob'],
    [CID, 'cid'],
  ])
    await rows(
      'insert into users (id, short_id, email, username, display_name) values ($1, $2, $3, $2, $2)',
      [id, name, `${name}@example.com`],
    )
  await rows('insert into conversations (id, private) values ($1, false)', [GROUP])
  await rows('insert into members (conversation_id, user_id) values ($1, $2), ($1, $3)', [GROUP, ANN, BOB])
  const previous = new PreviousVersion(rows)
  const first = await previous.send(GROUP, ANN, contentsFor([ANN, BOB], 'before Cid'))
  await previous.add(GROUP, CID)
  await previous.send(GROUP, BOB, contentsFor(EVERYONE, 'aGVsbG8='))
  const edited = await previous.send(GROUP, ANN, contentsFor(EVERYONE, 'draft'))
  const deleted = await previous.send(GROUP, ANN, contentsFor(EVERYONE, 'mistake'))
  await previous.edit(GROUP, ANN, { groupId: edited, copies: contentsFor(EVERYONE, 'final, with ünïcode') })
  await previous.delete(GROUP, ANN, deleted)
  await previous.leave(GROUP, BOB)
  await previous.send(GROUP, ANN, contentsFor([ANN, CID], 'without Bob'))
  await previous.add(GROUP, BOB)
  await previous.send(GROUP, CID, contentsFor(EVERYONE, 'Bob is back'))
  await previous.edit(GROUP, ANN, { groupId: first, copies: contentsFor(EVERYONE, 'before Cid, for Cid') })
  await previous.leave(GROUP, CID)
  return previous
}

/** All messages of each member, newest first, as this version reads them. */
async function histories(db: Pick<Database, 'rows'>) {
  const queries = EVERYONE.map((userId) => ({
    conversationId: GROUP,
    userId,
    before: Number.MAX_SAFE_INTEGER,
  }))
  // The type needs no more of a database than its statements here.
  const pages = await readHistories(db as Database, queries, 1_000)
  return pages.map((page) => page ?? [])
}

const previousHistories = (previous: PreviousVersion) =>
  Promise.all(EVERYONE.map((userId) => previous.history(GROUP, userId)))

it('an embedded database of the previous version keeps every copy', async () => {
  const dir = temporaryFolder()
  const client = await PGlite.create({ dataDir: dir, extensions: EXTENSIONS })
  await migratePglite(drizzlePglite(client), { migrationsFolder: previousMigrations() })
  const previous = await talk(
    async (statement, params) => (await client.query(statement, params)).rows as never,
  )
  const before = await previousHistories(previous)
  await client.close()
  const db = await openDatabase({ kind: 'embedded', dir })
  onTestFinished(() => db.close())
  expect(await histories(db)).toEqual(before)
  expect(before.map((page) => page.length)).toEqual([5, 4, 0])
  expect(await dropPreviousLayout(db.rows)).toBe(true)
  await expect(db.rows('select from messages', [])).rejects.toThrow(/does not exist/)
})

describe.runIf(process.env.DATABASE_URL)('while a node of the previous version is connected', () => {
  async function start() {
    const { url, drop } = await createTestDatabase(process.env.DATABASE_URL ?? '')
    const client = postgres(url, { max: 4, onnotice: () => {}, connection: { application_name: 'parley' } })
    const rows: Rows = async (statement, params) =>
      (await client.unsafe(statement, params as never[])) as never
    await migrate(drizzle(client), { migrationsFolder: previousMigrations() })
    const previous = await talk(rows)
    const before = await previousHistories(previous)
    const db = await openDatabase({ kind: 'postgres', url, poolSize: 4 })
    onTestFinished(async () => {
      await Promise.all([client.end(), db.close()])
      await drop()
    })
    const chat = await openChat(db)
    return { client, rows, previous, before, db, chat }
  }

  const textsOf = (pages: { content: string }[][]) => pages.map((page) => page.map(({ content }) => content))

  it('both versions read the same, whichever made a change', async () => {
    const { client, previous, before, db, chat } = await start()
    const expectSame = async () => expect(await histories(db)).toEqual(await previousHistories(previous))
    expect(await histories(db)).toEqual(before)
    expect(await dropPreviousLayout(db.rows)).toBe(false)

    const { groupId: ours } = await chat.messages.send(GROUP, ANN, contentsFor([ANN, BOB], 'c2Vjb25k'))
    const { groupId: gone } = await chat.messages.send(GROUP, ANN, contentsFor([ANN, BOB], 'not for long'))
    const theirs = await previous.send(GROUP, BOB, contentsFor([ANN, BOB], 'of the previous version'))
    await expectSame()
    await chat.conversations.addMembers(GROUP, ANN, { newMembers: [CID] })
    await previous.edit(GROUP, BOB, { groupId: theirs, copies: contentsFor(EVERYONE, 'for Cid too') })
    await chat.messages.edit(GROUP, ANN, { groupId: ours, copies: contentsFor(EVERYONE, 'third') })
    await chat.messages.delete(GROUP, ANN, gone)
    await expectSame()
    const oldest = (await previous.history(GROUP, ANN)).at(-1)?.groupId ?? ''
    await chat.messages.edit(GROUP, ANN, { groupId: oldest, copies: contentsFor(EVERYONE, 'once more') })
    await previous.edit(GROUP, ANN, { groupId: ours, copies: contentsFor(EVERYONE, 'fourth') })
    await expectSame()
    await chat.conversations.leave(GROUP, CID)
    await previous.leave(GROUP, BOB)
    await previous.send(GROUP, ANN, contentsFor([ANN], 'alone'))
    await previous.add(GROUP, BOB)
    await chat.conversations.addMembers(GROUP, ANN, { newMembers: [CID] })
    await previous.delete(GROUP, BOB, theirs).catch(() => {})
    await expectSame()

    const last = await histories(db)
    await client.end()
    expect(await dropPreviousLayout(db.rows)).toBe(true)
    expect(await histories(db)).toEqual(last)
    await chat.messages.send(GROUP, ANN, contentsFor(EVERYONE, 'after'))
    expect(textsOf(await histories(db)).map(([text]) => text)).toEqual(
      EVERYONE.map((id) => contentsFor([id], 'after').get(id)),
    )
  })

  it.each(['parley', 'parley/2'])(
    'an edit or deletion by %s removes the shared ciphertext that it does not know',
    async (name) => {
      const { client, db, chat } = await start()
      const copies = contentsFor([ANN, BOB], 'key')
      const send = () => chat.messages.send(GROUP, ANN, copies, { shared: 'ciphertext' })
      const [edited, deleted, untouched] = [await send(), await send(), await send()]
      await client.begin(async (sql) => {
        await sql.unsafe(`set local application_name = '${name}'`)
        await sql`update message_groups set copies = array['other'::bytea, 'other'::bytea], copy_encoding = 0
          where id = ${edited.groupId}`
        await sql`update message_groups set copies = null, recipients = null where id = ${deleted.groupId}`
      })
      const rows = await db.rows<{ id: string; shared: string | null }>(
        'select id, shared from message_groups where id = any($1) order by seq',
        [`{${edited.groupId},${deleted.groupId},${untouched.groupId}}`],
      )
      expect(rows.map(({ shared }) => shared)).toEqual([null, null, 'ciphertext'])
    },
  )

  it.each(['parley', 'parley/2'])(
    'a deletion by %s deletes the attachments that it does not know',
    async (name) => {
      const { client, db, chat } = await start()
      const copies = contentsFor([ANN, BOB], 'key')
      const [deleted, kept] = [
        await chat.messages.send(GROUP, ANN, copies),
        await chat.messages.send(GROUP, ANN, copies),
      ]
      const insert = (conversationId: string, messageId: string | null) =>
        db.rows(
          `insert into attachments (id, conversation_id, uploader_id, size, received, message_id)
        values (gen_random_uuid(), $1, $2, 1, 1, $3)`,
          [conversationId, ANN, messageId],
        )
      const OTHER = '00000000-0000-7000-8000-000000000009'
      await db.rows('insert into conversations (id, private) values ($1, false)', [OTHER])
      for (const { groupId } of [deleted, kept]) await insert(GROUP, groupId)
      await insert(OTHER, null)
      await client.begin(async (sql) => {
        await sql.unsafe(`set local application_name = '${name}'`)
        await sql`update message_groups set deleted_seq = 100, copies = null where id = ${deleted.groupId}`
        await sql`delete from conversations where id = ${OTHER}`
      })
      expect(await db.rows('select message_id from attachments where released_at is null', [])).toEqual([
        { message_id: kept.groupId },
      ])
    },
  )

  it('copies nothing twice or not at all while both versions send, edit and delete', async () => {
    const { client, rows, previous, db, chat } = await start()
    let isCopying = true
    const copyAgain = async () => {
      for (let round = 0; round < 20; round++) {
        await rows('update message_groups set copies = null, recipients = null, copy_ids = null', [])
        await copyPreviousLayout(db.rows, { kind: 'postgres', report: () => {} })
      }
      isCopying = false
    }
    const change = async (
      send: (text: string) => Promise<string>,
      edit: typeof previous.edit,
      remove: typeof previous.delete,
    ) => {
      for (let n = 0; isCopying; n++) {
        const groupId = await send(`number ${n}`)
        if (n % 3 === 0) await edit(GROUP, ANN, { groupId, copies: contentsFor([ANN, BOB], `edit ${n}`) })
        if (n % 5 === 0) await remove(GROUP, ANN, groupId)
      }
    }
    await Promise.all([
      copyAgain(),
      change(
        (text) => previous.send(GROUP, ANN, contentsFor([ANN, BOB], text)),
        previous.edit.bind(previous),
        previous.delete.bind(previous),
      ),
      change(
        async (text) => (await chat.messages.send(GROUP, ANN, contentsFor([ANN, BOB], text))).groupId,
        async (...edit: Parameters<typeof chat.messages.edit>) => void (await chat.messages.edit(...edit)),
        async (...deletion: Parameters<typeof chat.messages.delete>) =>
          void (await chat.messages.delete(...deletion)),
      ),
    ])
    const expected = await previousHistories(previous)
    expect(await histories(db)).toEqual(expected)
    await client.end()
    expect(await dropPreviousLayout(db.rows)).toBe(true)
    expect(await histories(db)).toEqual(expected)
  })
})
