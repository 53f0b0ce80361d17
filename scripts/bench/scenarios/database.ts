import { v7 as newId } from 'uuid'
import type { Database } from '../../../src/db/database.ts'
import { openDatabase } from '../../../src/db/open-database.ts'
import { copiesOf } from '../../../src/db/queries/conversations/copies.ts'
import { type Draft, sendBatch } from '../../../src/db/queries/conversations/send-batch.ts'
import { pool } from '../measure.ts'
import type { BenchOptions, Report } from '../result.ts'
import { parleyOnPostgres } from '../subjects/parley.ts'
import { closeAll, type Group, listenTo, randomCopy, startGroups } from '../traffic.ts'
import { closedLoop } from './sends.ts'

const PAIRS = 100

/** Rounds in which the database and the server take turns, so that a change of the speed of the machine affects both. */
const ROUNDS = 4

/**
 * Measures what PostgreSQL alone stores with the statement of the send workers, as they would call it with so many messages in flight, and
 * which part of that the server reaches on the same database.
 */
export async function measureDatabase(benchOptions: BenchOptions, report: Report): Promise<void> {
  const subject = await parleyOnPostgres.start()
  const db = await openDatabase({ kind: 'postgres', url: subject.databaseUrl ?? '', poolSize: 2 })
  const groups = await startGroups(subject, PAIRS, 2)
  const options = { ...benchOptions, seconds: benchOptions.seconds / ROUNDS }
  for (const inFlight of [1, 20, 200]) {
    const own = groups.slice(0, inFlight)
    const sums = { stored: 0, seconds: 0, disk: 0, wal: 0, acked: 0, lost: 0 }
    for (let round = 0; round < ROUNDS; round++) {
      const [before, start] = [await bytesWritten(db), performance.now()]
      sums.stored += await storeDirectly(db, own, { inFlight, seconds: options.seconds })
      sums.seconds += (performance.now() - start) / 1000
      const after = await bytesWritten(db)
      sums.disk += after.disk - before.disk
      sums.wal += after.wal - before.wal
      const figures = await closedLoop(subject, options, own, inFlight, listenTo(own))
      sums.acked += (figures['acked/s'] ?? 0) / ROUNDS
      sums.lost += figures.lost ?? 0
    }
    const rate = sums.stored / sums.seconds
    const size = `${inFlight} in flight`
    report({
      scenario: 'database',
      size,
      subject: 'postgresql alone',
      figures: {
        'stored/s': Math.round(rate),
        'disk bytes': sums.disk / sums.stored,
        'WAL bytes': sums.wal / sums.stored,
      },
    })
    const figures = {
      'stored/s': Math.round(sums.acked),
      'of the database': sums.acked / rate,
      lost: sums.lost,
    }
    report({ scenario: 'database', size, subject: 'parley', figures })
  }
  closeAll(groups)
  await db.close()
  await subject.stop()
}

/** Stores messages for some seconds: one alone, or two statements of half of them each. Returns how many. */
async function storeDirectly(
  db: Database,
  groups: readonly Group[],
  { inFlight, seconds }: { inFlight: number; seconds: number },
): Promise<number> {
  const workers = Math.min(2, inFlight)
  const end = performance.now() + seconds * 1000
  let stored = 0
  await pool(workers, workers, async (worker) => {
    const own = groups.filter((_group, i) => i % workers === worker)
    while (performance.now() < end) {
      const drafts = Array.from({ length: inFlight / workers }, (_send, i) =>
        draftFor(own[i % own.length] as Group),
      )
      await sendBatch(db, drafts)
      stored += drafts.length
    }
  })
  return stored
}

/** The size of the tables that a send writes, and the WAL position of the server. */
async function bytesWritten(db: Database): Promise<{ disk: number; wal: number }> {
  const [bytes] = await db.rows<{ disk: number; wal: number }>(
    `select (pg_total_relation_size('conversations') + pg_total_relation_size('message_groups'))::float8 as disk,
      pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::float8 as wal`,
    [],
  )
  return bytes as { disk: number; wal: number }
}

function draftFor({ conversation, recipients }: Group): Draft {
  const groupId = newId()
  const contents = new Map(recipients.map((id) => [id, randomCopy()]))
  return {
    conversationId: conversation,
    senderId: recipients[0] as string,
    groupId,
    copies: copiesOf(groupId, contents),
  }
}
