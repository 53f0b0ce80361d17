import { and, eq, isNull } from 'drizzle-orm'
import type { Orm } from '../../database.ts'
import { recoveryCodes } from '../../schema.ts'

export async function insertRecoveryCodes(tx: Orm, userId: string, hashes: Uint8Array[]): Promise<void> {
  await tx.insert(recoveryCodes).values(hashes.map((hash) => ({ userId, hash })))
}

/** Marks a recovery code as used; false when there is no such code, or it was used before. */
export async function useRecoveryCode(
  tx: Orm,
  userId: string,
  hash: Uint8Array,
  now: Date,
): Promise<boolean> {
  const rows = await tx
    .update(recoveryCodes)
    .set({ usedAt: now })
    .where(and(eq(recoveryCodes.userId, userId), eq(recoveryCodes.hash, hash), isNull(recoveryCodes.usedAt)))
    .returning({ userId: recoveryCodes.userId })
  return rows.length > 0
}

export async function deleteRecoveryCodes(tx: Orm, userId: string): Promise<void> {
  await tx.delete(recoveryCodes).where(eq(recoveryCodes.userId, userId))
}
