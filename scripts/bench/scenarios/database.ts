import { randomUUID } from 'node:crypto'
import { v7 as newId } from 'uuid'
import type { Database } from '../../../src/db/database.ts'
import { openDatabase } from '../../../src/db/open-database.ts'
import { type Draft, sendBatch } from '../../../src/db/queries/conversations/send-batch.ts'
import type { BenchOptions, Report } from '../result.ts'
import { createDatabase } from '../subjects/postgres.ts'
import { randomCopy } from '../traffic.ts'

const PAIRS = 100

/** Measures PostgreSQL alone: the statement of the send queue with full batches. */
export async function measureDatabase({ seconds }: BenchOptions, report: Report): Promise<void> {
  const { url, drop } = await createDatabase()
  const db = await openDatabase({ kind: 'postgres', url, poolSize: 4 })
  const pairs = Array.from({ length: PAIRS }, () => ({
    conversation: randomUUID(),
    people: [randomUUID(), randomUUID()],
  }))
  for (const { conversation, people } of pairs) {
    await db.rows('insert into conversations (id, private) values ($1, true)', [conversation])
    for (const id of people) {
      await db.rows(
        `insert into users (id, short_id, email, username, display_name) values ($1, $2, $2, $2, 'x')`,
        [id, id],
      )
      await db.rows('insert into members (conversation_id, user_id) values ($1, $2)', [conversation, id])
    }
  }
  for (const batch of [1, 64]) {
    const workers = batch === 1 ? 4 : 2
    const [before, start] = [await bytesWritten(db), performance.now()]
    let stored = 0
    await Promise.all(
      Array.from({ length: workers }, async (_, worker) => {
        const own = pairs.filter((_pair, i) => i % workers === worker)
        while (performance.now() - start < seconds * 1000) {
          await sendBatch(
            db,
            Array.from({ length: batch }, (_send, i) => draftFor(own[i % own.length])),
          )
          stored += batch
        }
      }),
    )
    const elapsed = (performance.now() - start) / 1000
    const after = await bytesWritten(db)
    report({
      scenario: 'database alone',
      size: batch === 1 ? 'one send a statement' : `${batch} sends a statement`,
      subject: 'postgresql',
      figures: {
        'stored/s': Math.round(stored / elapsed),
        'disk bytes': (after.disk - before.disk) / stored,
        'WAL bytes': (after.wal - before.wal) / stored,
      },
    })
  }
  await db.close()
  await drop()
}

/** The size of the conversation tables, and the WAL position of the server. */
async function bytesWritten(db: Database): Promise<{ disk: number; wal: number }> {
  const [bytes] = await db.rows<{ disk: number; wal: number }>(
    `select (pg_total_relation_size('conversations') + pg_total_relation_size('message_groups'))::float8 as disk,
      pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::float8 as wal`,
    [],
  )
  return bytes as { disk: number; wal: number }
}

function draftFor(pair: { conversation: string; people: string[] } | undefined): Draft {
  const { conversation = '', people = [] } = pair ?? {}
  return {
    conversationId: conversation,
    senderId: people[0] ?? '',
    groupId: newId(),
    copies: people.map((recipientId) => ({ id: newId(), recipientId, content: randomCopy() })),
  }
}
