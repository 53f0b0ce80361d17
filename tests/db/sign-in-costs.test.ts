import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Database } from '../../src/db/database.ts'
import { conversationsOf } from '../../src/db/queries/conversations/conversations.ts'
import { addPeople } from '../support/chat-services.ts'
import { openTestDatabase } from '../support/database.ts'
import { rowsReadOf } from '../support/query-plans.ts'

const FEW = 50
const MANY = 5_000
const PAGE = 20
const TABLES = ['members', 'conversations', 'users', 'message_groups']

/** Only PostgreSQL plans by what it knows of tables of this size. */
describe.runIf(process.env.DATABASE_URL)(`with ${MANY} conversations`, () => {
  let db: Database
  let ann: string
  let bob: string

  beforeAll(async () => {
    db = await openTestDatabase()
    ;[ann, bob] = await addPeople(db, 'ann', 'bob')
    await addConversations(ann, FEW)
    await addConversations(bob, MANY)
    await db.rows('analyze', [])
  }, 120_000)
  afterAll(() => db.close())

  /** Each with another user, and one unread message. */
  async function addConversations(userId: string, count: number) {
    await db.rows(
      `with others as (
        insert into users (id, short_id, email, canonical_email, username, display_name)
        select gen_random_uuid(), name, name, name, name, name from (
          select 'other-' || n || $1 as name from generate_series(1, $2::int) n) named returning id
      ), pairs as (
        select id as other_id, gen_random_uuid() as id from others
      ), added as (
        insert into conversations (id, private, last_seq) select id, false, 1 from pairs
      ), joined as (
        insert into members (conversation_id, user_id)
        select id, $1::uuid from pairs union all select id, other_id from pairs
      )
      insert into message_groups (id, conversation_id, sender_id, seq)
      select gen_random_uuid(), id, other_id, 1 from pairs`,
      [userId, count],
    )
  }

  async function rowsRead(work: () => Promise<unknown>): Promise<number> {
    let rows = 0
    for (const table of TABLES) rows += await rowsReadOf(table, db, work)
    return rows
  }

  it('the first page of conversations reads at most twice what it reads with fifty', async () => {
    const page = (userId: string) => () => conversationsOf(db.orm, userId, { limit: PAGE + 1 })
    expect(await rowsRead(page(bob))).toBeLessThanOrEqual(2 * (await rowsRead(page(ann))))
  })
})
