import { and, eq, inArray, isNotNull, isNull, lt, sql } from 'drizzle-orm'
import type { Orm } from '../../database.ts'
import { totpDevices } from '../../schema.ts'

/** A user's authenticator app. `vaultKey` is the fingerprint of the key that encrypts the secret. */
export interface TotpDevice {
  userId: string
  vaultKey: string
  secret: Uint8Array
  /** Null before the first code. */
  confirmedAt: Date | null
  enrolmentHash: Uint8Array | null
  lastStep: number
  failures: number
}

type SealedSecret = Pick<TotpDevice, 'userId' | 'vaultKey' | 'secret'>

const device = {
  userId: totpDevices.userId,
  vaultKey: totpDevices.vaultKey,
  secret: totpDevices.secret,
  confirmedAt: totpDevices.confirmedAt,
  enrolmentHash: totpDevices.enrolmentHash,
  lastStep: totpDevices.lastStep,
  failures: totpDevices.failures,
}

export async function findDevice(orm: Orm, userId: string): Promise<TotpDevice | undefined> {
  const rows = await orm.select(device).from(totpDevices).where(eq(totpDevices.userId, userId))
  return rows[0]
}

/** Finds a device and locks its row until the transaction ends. */
export async function lockDevice(tx: Orm, userId: string): Promise<TotpDevice | undefined> {
  const rows = await tx.select(device).from(totpDevices).where(eq(totpDevices.userId, userId)).for('update')
  return rows[0]
}

/** Whether a user needs a code to sign in. */
export async function hasConfirmedDevice(orm: Orm, userId: string): Promise<boolean> {
  return Boolean((await findDevice(orm, userId))?.confirmedAt)
}

/** Stores an unconfirmed device, in place of an earlier unconfirmed one; false when there is a confirmed one. */
export async function upsertDevice(
  orm: Orm,
  { userId, ...sealed }: SealedSecret & { enrolmentHash: Uint8Array },
  now: Date,
): Promise<boolean> {
  const fresh = { ...sealed, lastStep: 0, failures: 0, insertedAt: now }
  const rows = await orm
    .insert(totpDevices)
    .values({ userId, ...sealed, insertedAt: now })
    .onConflictDoUpdate({ target: totpDevices.userId, set: fresh, setWhere: isNull(totpDevices.confirmedAt) })
    .returning({ userId: totpDevices.userId })
  return rows.length > 0
}

/** Confirms a device with the code of a time step; false when there is no unconfirmed device. */
export async function confirmDevice(
  tx: Orm,
  userId: string,
  { step, now }: { step: number; now: Date },
): Promise<boolean> {
  const rows = await tx
    .update(totpDevices)
    .set({ confirmedAt: now, lastStep: step, failures: 0 })
    .where(and(eq(totpDevices.userId, userId), isNull(totpDevices.confirmedAt)))
    .returning({ userId: totpDevices.userId })
  return rows.length > 0
}

/** Uses the code of a time step; false when a code of this or a later step was used before. */
export async function useStep(tx: Orm, userId: string, step: number): Promise<boolean> {
  const rows = await tx
    .update(totpDevices)
    .set({ lastStep: step })
    .where(and(ofConfirmed(userId), lt(totpDevices.lastStep, step)))
    .returning({ userId: totpDevices.userId })
  return rows.length > 0
}

/** Counts a wrong code of a confirmed device, up to `upTo`. */
export async function countFailure(tx: Orm, userId: string, upTo: number): Promise<void> {
  await tx
    .update(totpDevices)
    .set({ failures: sql`${totpDevices.failures} + 1` })
    .where(and(ofConfirmed(userId), lt(totpDevices.failures, upTo)))
}

/** Resets the count of wrong codes; a count of `lock` or more becomes `lock`. */
export async function endFailures(tx: Orm, userId: string, lock: number): Promise<void> {
  await tx
    .update(totpDevices)
    .set({ failures: sql`case when ${totpDevices.failures} < ${lock} then 0 else ${lock}::int end` })
    .where(eq(totpDevices.userId, userId))
}

/** Resets the count of wrong codes, and unlocks the device. */
export async function resetFailures(tx: Orm, userId: string): Promise<void> {
  await tx.update(totpDevices).set({ failures: 0 }).where(eq(totpDevices.userId, userId))
}

export async function deleteDevice(tx: Orm, userId: string): Promise<void> {
  await tx.delete(totpDevices).where(eq(totpDevices.userId, userId))
}

/** Up to `limit` secrets that one of these vault keys encrypts. */
export function secretsSealedWith(orm: Orm, fingerprints: string[], limit: number): Promise<SealedSecret[]> {
  return orm
    .select({
      userId: totpDevices.userId,
      vaultKey: totpDevices.vaultKey,
      secret: totpDevices.secret,
    })
    .from(totpDevices)
    .where(inArray(totpDevices.vaultKey, fingerprints))
    .limit(limit)
}

/** Replaces the ciphertext of a secret, unless it has changed since it was read. */
export async function resealSecret(orm: Orm, before: SealedSecret, after: SealedSecret): Promise<void> {
  await orm
    .update(totpDevices)
    .set({ vaultKey: after.vaultKey, secret: after.secret })
    .where(and(eq(totpDevices.userId, before.userId), eq(totpDevices.secret, before.secret)))
}

function ofConfirmed(userId: string) {
  return and(eq(totpDevices.userId, userId), isNotNull(totpDevices.confirmedAt))
}
