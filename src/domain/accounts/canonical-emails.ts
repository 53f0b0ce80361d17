import { canonicalEmail } from '../../canonical-email.ts'
import type { Database } from '../../db/database.ts'
import { failureOf } from '../../db/failures.ts'
import {
  type EmailHolder,
  findEmailHolder,
  listUncorrectedEmails,
  lockEmailCorrection,
  setCanonicalEmail,
} from '../../db/queries/accounts/canonical-emails.ts'
import type { Log } from '../shared/failure-reporter.ts'

const BATCH_SIZE = 500
const FIRST_ID = '00000000-0000-0000-0000-000000000000'

interface Collision {
  /** The account that keeps the address. */
  userId: string
  /** The account that loses it. */
  withoutEmail: string
}

/**
 * Corrects the canonical addresses that a migration filled in: SQL cannot convert a domain by IDNA. If two accounts have the same
 * address, the confirmed or older one keeps it, and the collision is logged.
 */
export async function correctCanonicalEmails(db: Database, log: Log): Promise<void> {
  const collisions: Collision[] = []
  let after = FIRST_ID
  for (;;) {
    const batch = await listUncorrectedEmails(db.orm, after, BATCH_SIZE)
    for (const account of batch) collisions.push(...(await correct(db, account)))
    if (batch.length < BATCH_SIZE) break
    after = batch.at(-1)!.id
  }
  if (!collisions.length) return
  log.warn(
    { collisions },
    'Some accounts have the same email address in different spellings. The accounts in `withoutEmail` cannot sign in with it: change the address of one account of each pair, or delete one.',
  )
}

async function correct(db: Database, account: EmailHolder): Promise<Collision[]> {
  const canonical = canonicalEmail(account.email)
  if (canonical === account.canonicalEmail) return []
  try {
    return await assign(db, account, canonical)
  } catch (error) {
    // Another account took the address at the same time: it is the holder now.
    if (failureOf(error) !== 'duplicate') throw error
    return assign(db, account, canonical)
  }
}

function assign(db: Database, account: EmailHolder, canonical: string): Promise<Collision[]> {
  return db.transaction(async (tx) => {
    await lockEmailCorrection(tx)
    const holder = await findEmailHolder(tx, canonical)
    if (holder?.id === account.id) return []
    if (!holder) {
      await setCanonicalEmail(tx, account, canonical)
      return []
    }
    const [first, second] = hasPriority(account, holder) ? [account, holder] : [holder, account]
    await setCanonicalEmail(tx, second, null)
    await setCanonicalEmail(tx, first, canonical)
    return [{ userId: first.id, withoutEmail: second.id }]
  })
}

/** An account that has lost its address does not take it back. */
function hasPriority(one: EmailHolder, holder: EmailHolder): boolean {
  if (one.canonicalEmail === null) return false
  if (Boolean(one.confirmedAt) !== Boolean(holder.confirmedAt)) return Boolean(one.confirmedAt)
  return one.insertedAt < holder.insertedAt
}
