import { randomUUID } from 'node:crypto'
import { sql } from 'drizzle-orm'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Database } from '../../src/db/database.ts'
import { deleteMessage, editMessage } from '../../src/db/queries/conversations/change-message.ts'
import { readChanges } from '../../src/db/queries/conversations/changes.ts'
import { listMemberRows } from '../../src/db/queries/conversations/members.ts'
import { type Draft, sendBatch } from '../../src/db/queries/conversations/send-batch.ts'
import { addPeople } from '../support/chat-services.ts'
import { openTestDatabase } from '../support/database.ts'

const MESSAGES = 100_000
const LAST_SEQ = 110_000
const GROUP = '00000000-0000-7000-8000-000000000001'

interface Plan {
  'Node Type': string
  'Relation Name'?: string
  'Actual Rows': number
  'Actual Loops': number
  Plans?: Plan[]
}

/** Only PostgreSQL plans by what it knows of a table of this size. */
describe.runIf(process.env.DATABASE_URL)(`in a conversation with ${MESSAGES} messages`, () => {
  let db: Database
  let ann: string
  let bob: string

  beforeAll(async () => {
    db = await openTestDatabase()
    ;[ann, bob] = await addPeople(db, 'ann', 'bob')
    await db.rows('insert into conversations (id, private, last_seq) values ($1, false, $2)', [
      GROUP,
      LAST_SEQ,
    ])
    await db.rows('insert into members (conversation_id, user_id) values ($1, $2), ($1, $3)', [
      GROUP,
      ann,
      bob,
    ])
    // Every twentieth was edited since, and the one after it deleted.
    await db.rows(
      `insert into message_groups (id, conversation_id, sender_id, seq, edited_seq, deleted_seq, copy_encoding, recipients, copies)
      select gen_random_uuid(), $1, $2, n, case when n % 20 = 0 then $4::int + n / 20 end,
        case when n % 20 = 1 then $4::int + 5000 + n / 20 + 1 end, 0,
        case when n % 20 <> 1 then array[$2::uuid, $3::uuid] end, case when n % 20 <> 1 then array['x'::bytea, 'x'] end
      from generate_series(1, $4::int) n`,
      [GROUP, ann, bob, MESSAGES],
    )
    await db.rows(
      `insert into attachments (id, conversation_id, uploader_id, size, received, message_id)
      select gen_random_uuid(), $1, $2, 1, 1, id from message_groups where deleted_seq is null`,
      [GROUP, ann],
    )
    await db.rows('analyze', [])
  }, 120_000)
  afterAll(() => db.close())

  /** The rows that a reading takes from the tables of messages and attachments. @throws when it goes through all of one. */
  async function rowsRead(read: (db: Database) => Promise<unknown>): Promise<number> {
    const plans: Plan[] = []
    const explain = async (statement: string, params: unknown[]) => {
      for (const mode of ['force_custom_plan', 'force_generic_plan']) {
        plans.push(await planOf(statement, params, mode))
      }
      return []
    }
    await read({ ...db, rows: explain as Database['rows'] })
    return Math.max(...plans.map(rowsIn))
  }

  /** How PostgreSQL runs a statement, planned for these parameters or for any. */
  async function planOf(statement: string, params: unknown[], mode: string): Promise<Plan> {
    return db.transaction(async (tx) => {
      await tx.execute(sql.raw(`set local plan_cache_mode = ${mode}`))
      await tx.execute(sql.raw(`prepare reading as ${statement}`))
      const values = params.map((param) => (param === null ? 'null' : `'${param}'`))
      const run = sql.raw(`explain (analyze, format json) execute reading(${values})`)
      const [row] = (await tx.execute(run)) as unknown as { 'QUERY PLAN': [{ Plan: Plan }] }[]
      await tx.execute(sql.raw('deallocate reading'))
      return row!['QUERY PLAN'][0].Plan
    })
  }

  function rowsIn(plan: Plan): number {
    const scans = nodesOf(plan).filter((node) => /^(message|attachment)/.test(node['Relation Name'] ?? ''))
    expect(scans.length).toBeGreaterThan(0)
    expect(scans.map((node) => node['Node Type'])).not.toContain('Seq Scan')
    return scans.reduce((sum, node) => sum + node['Actual Rows'] * node['Actual Loops'], 0)
  }

  const changes = (afterSeq: number) => (on: Database) =>
    readChanges(on, { conversationId: GROUP, userId: bob, afterSeq, limit: 500 })

  it('reading ten changes reads about ten rows', async () => {
    expect(await rowsRead(changes(LAST_SEQ - 10))).toBeLessThan(50)
    expect(await rowsRead(changes(MESSAGES - 10))).toBeLessThan(2_500)
  })

  it('detecting too many changes reads few rows beyond the limit', async () => {
    expect(await rowsRead(changes(0))).toBeLessThan(3_000)
  })

  it('a client message id is found by its index', async () => {
    const drafts = Array.from({ length: 20 }, () => keyedDraft(ann, [ann, bob]))
    expect(await rowsRead((on) => sendBatch(on, drafts))).toBeLessThan(200)
  })

  it('attachments are found by their indexes', async () => {
    const unbound = randomUUID()
    await db.rows(
      'insert into attachments (id, conversation_id, uploader_id, size, received) values ($1, $2, $3, 1, 1)',
      [unbound, GROUP, ann],
    )
    const attachments = [unbound]
    const drafts = [{ ...keyedDraft(ann, [ann, bob]), attachments }]
    expect(await rowsRead((on) => sendBatch(on, drafts))).toBeLessThan(50)
    const [message] = await db.rows<{ id: string }>('select id from message_groups where seq = 50000', [])
    const ref = { conversationId: GROUP, userId: ann, groupId: message!.id }
    const copies = keyedDraft(ann, [ann, bob].sort()).copies
    expect(await rowsRead((on) => editMessage(on, ref, { copies, shared: null, attachments }))).toBeLessThan(
      50,
    )
    expect(await rowsRead((on) => deleteMessage(on, ref))).toBeLessThan(50)
  })

  it('counting unread messages reads at most a thousand', async () => {
    expect(await rowsRead((on) => listMemberRows(on, GROUP, bob))).toBeLessThan(1_100)
  })
})

/** A message with a client message id. */
function keyedDraft(senderId: string, recipientIds: string[]): Draft {
  const copies = recipientIds.map((recipientId) => ({ id: randomUUID(), recipientId, content: 'x' }))
  return { conversationId: GROUP, senderId, groupId: randomUUID(), clientMessageId: randomUUID(), copies }
}

function nodesOf(plan: Plan): Plan[] {
  return [plan, ...(plan.Plans ?? []).flatMap(nodesOf)]
}
