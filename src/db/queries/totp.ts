import { and, eq, inArray, isNotNull, isNull, lt, sql } from 'drizzle-orm'
import type { Orm } from '../database.ts'
import { totpDevices } from '../schema.ts'

/** A user's authenticator app, and the fingerprint of the vault key that opens its secret. */
export interface TotpDevice {
  userId: string
  vaultKey: string
  secret: Uint8Array
  /** Null while it is being set up. */
  confirmedAt: Date | null
  lastStep: number
  failures: number
}

/** A sealed secret. */
type SealedSecret = Pick<TotpDevice, 'userId' | 'vaultKey' | 'secret'>

const device = {
  userId: totpDevices.userId,
  vaultKey: totpDevices.vaultKey,
  secret: totpDevices.secret,
  confirmedAt: totpDevices.confirmedAt,
  lastStep: totpDevices.lastStep,
  failures: totpDevices.failures,
}

export async function findDevice(orm: Orm, userId: string): Promise<TotpDevice | undefined> {
  const rows = await orm.select(device).from(totpDevices).where(eq(totpDevices.userId, userId))
  return rows[0]
}

/** The same, and nobody else uses it before the transaction is over. */
export async function lockDevice(tx: Orm, userId: string): Promise<TotpDevice | undefined> {
  const rows = await tx.select(device).from(totpDevices).where(eq(totpDevices.userId, userId)).for('update')
  return rows[0]
}

/** Whether a user's sign-in needs the code of an authenticator app. */
export async function hasConfirmedDevice(orm: Orm, userId: string): Promise<boolean> {
  return Boolean((await findDevice(orm, userId))?.confirmedAt)
}

/** Stores a device to be set up, in the place of one that is not confirmed; false when one is. */
export async function putDevice(orm: Orm, sealed: SealedSecret, now: Date): Promise<boolean> {
  const { vaultKey, secret } = sealed
  const fresh = { vaultKey, secret, lastStep: 0, failures: 0, insertedAt: now }
  const rows = await orm
    .insert(totpDevices)
    .values({ ...sealed, insertedAt: now })
    .onConflictDoUpdate({ target: totpDevices.userId, set: fresh, setWhere: isNull(totpDevices.confirmedAt) })
    .returning({ userId: totpDevices.userId })
  return rows.length > 0
}

/** Confirms a device with the code of a step; false when it is confirmed already, or gone. */
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

/** Takes the code of a step, once; false when a code of this or a later one was taken before. */
export async function takeStep(tx: Orm, userId: string, step: number): Promise<boolean> {
  const rows = await tx
    .update(totpDevices)
    .set({ lastStep: step })
    .where(and(ofConfirmed(userId), lt(totpDevices.lastStep, step)))
    .returning({ userId: totpDevices.userId })
  return rows.length > 0
}

/** Counts a wrong code for the user's confirmed device. */
export async function countFailure(tx: Orm, userId: string): Promise<void> {
  await tx
    .update(totpDevices)
    .set({ failures: sql`${totpDevices.failures} + 1` })
    .where(ofConfirmed(userId))
}

export async function forgetFailures(tx: Orm, userId: string): Promise<void> {
  await tx.update(totpDevices).set({ failures: 0 }).where(eq(totpDevices.userId, userId))
}

export async function deleteDevice(tx: Orm, userId: string): Promise<void> {
  await tx.delete(totpDevices).where(eq(totpDevices.userId, userId))
}

/** Some of the secrets that one of these vault keys sealed. */
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

/** Replaces the sealed form of a secret, unless there is another secret by now. */
export async function resealSecret(orm: Orm, before: SealedSecret, after: SealedSecret): Promise<void> {
  await orm
    .update(totpDevices)
    .set({ vaultKey: after.vaultKey, secret: after.secret })
    .where(and(eq(totpDevices.userId, before.userId), eq(totpDevices.secret, before.secret)))
}

function ofConfirmed(userId: string) {
  return and(eq(totpDevices.userId, userId), isNotNull(totpDevices.confirmedAt))
}
