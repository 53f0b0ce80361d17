import type { Orm } from '../../db/database.ts'
import { deleteIdentitiesOf } from '../../db/queries/accounts/identities.ts'
import { deleteTokensOf } from '../../db/queries/accounts/one-time-tokens.ts'
import { updateUser } from '../../db/queries/accounts/users.ts'
import { deleteOutboxRowsOf } from '../../db/queries/mail/outbox.ts'
import type { Revocation } from '../../db/queries/sessions/sessions.ts'
import { deleteRecoveryCodes } from '../../db/queries/two-factor/recovery-codes.ts'
import { deleteDevice } from '../../db/queries/two-factor/totp.ts'
import type { Sessions } from '../sessions/sessions.ts'

interface Removal {
  sessions: Pick<Sessions, 'revokeAllIn'>
  now: Date
}

/** A user whose row is locked. */
interface User {
  id: string
  email: string
}

/**
 * Verifies an address for the first time by another way than its confirmation email. Whoever registered the account may not own the
 * address, so every credential that was set before is removed.
 * @returns the sessions that ended: announce them after the commit.
 */
export async function verifyFirst(tx: Orm, user: User, { sessions, now }: Removal): Promise<Revocation[]> {
  const ended = await removeUnverified(tx, user, { sessions, now })
  await updateUser(tx, user.id, { emailConfirmedAt: now }, now)
  return ended
}

/** Removes every credential of an account with an unverified address: password, sessions, devices, identities and queued emails. */
export async function removeUnverified(
  tx: Orm,
  { id, email }: User,
  { sessions, now }: Removal,
): Promise<Revocation[]> {
  await updateUser(tx, id, { passwordHash: null, devicesValidFrom: now }, now)
  await deleteTokensOf(tx, id)
  await deleteOutboxRowsOf(tx, id, email)
  await deleteDevice(tx, id)
  await deleteRecoveryCodes(tx, id)
  await deleteIdentitiesOf(tx, id)
  return sessions.revokeAllIn(tx, id)
}
