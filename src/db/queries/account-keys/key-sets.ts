import { and, eq, getTableColumns, or, type SQL, sql } from 'drizzle-orm'
import { alias } from 'drizzle-orm/pg-core'
import type { Orm } from '../../database.ts'
import type { StoredEntry, StoredPublicKey } from '../../schema/account-keys.ts'
import { accountKeyHistory, accountKeys, members } from '../../schema.ts'
import { areContacts } from '../accounts/contacts.ts'
import { uuidArray } from '../array-literal.ts'

/** The public keys of an account. `version` counts up from 1 with every change of its key set. */
export interface AccountPublicKeys {
  version: number
  encryptionKey: StoredPublicKey
  signingKey: StoredPublicKey
}

/** The key set of an account, as its owner reads it. */
export interface KeySet extends AccountPublicKeys {
  thumbprint: string
  /** The private keys, encrypted by the client. */
  locked: string
  updatedAt: Date
}

/** The public keys of a user, with the thumbprint of the account. */
export interface ListedKeys extends AccountPublicKeys {
  userId: string
  thumbprint: string
}

const publicColumns = {
  version: accountKeys.version,
  encryptionKey: accountKeys.encryptionKey,
  signingKey: accountKeys.signingKey,
}

const { userId: _userId, ...keySetColumns } = getTableColumns(accountKeys)

/** The key set of a user with the entry of the key history that describes it; undefined if the user has none. */
export async function findKeySet(
  orm: Orm,
  userId: string,
): Promise<(KeySet & { entry: StoredEntry }) | undefined> {
  const [row] = await orm
    .select({ ...keySetColumns, entry: accountKeyHistory.entry })
    .from(accountKeys)
    .innerJoin(
      accountKeyHistory,
      and(
        eq(accountKeyHistory.userId, accountKeys.userId),
        eq(accountKeyHistory.version, accountKeys.version),
      ),
    )
    .where(eq(accountKeys.userId, userId))
  return row
}

/**
 * Stores a key set and its entry if `version` is one above that of the stored one, or 1 if there is none.
 * @returns undefined if it is not.
 */
export async function writeKeySet(
  orm: Orm,
  { userId, entry, ...set }: Omit<KeySet, 'updatedAt'> & { userId: string; entry: StoredEntry },
): Promise<KeySet | undefined> {
  const isNext = eq(accountKeys.version, set.version - 1)
  const [written] = await (set.version === 1
    ? orm
        .insert(accountKeys)
        .values({ userId, ...set })
        .onConflictDoNothing()
        .returning(keySetColumns)
    : orm
        .update(accountKeys)
        .set({ ...set, updatedAt: sql`now()` })
        .where(and(eq(accountKeys.userId, userId), isNext))
        .returning(keySetColumns))
  if (written) await orm.insert(accountKeyHistory).values({ userId, version: set.version, entry })
  return written
}

/** The public keys of those of the users who have a key set, by user id. */
export async function publicKeysOf(
  orm: Orm,
  userIds: readonly string[],
): Promise<Map<string, AccountPublicKeys>> {
  const rows = await orm
    .select({ userId: accountKeys.userId, ...publicColumns })
    .from(accountKeys)
    .where(isAmong(userIds))
  return new Map(rows.map(({ userId, ...keys }) => [userId, keys]))
}

/** The keys of those of the users who have a key set. @param contactsOf keeps only this user and their contacts. */
export function listKeys(
  orm: Orm,
  userIds: readonly string[],
  contactsOf: string | undefined,
): Promise<ListedKeys[]> {
  return orm
    .select({ userId: accountKeys.userId, ...publicColumns, thumbprint: accountKeys.thumbprint })
    .from(accountKeys)
    .where(and(isAmong(userIds), contactsOf === undefined ? undefined : isContactOf(contactsOf)))
    .orderBy(accountKeys.userId)
}

/** The other members of the conversations of a user. */
export async function conversationContacts(orm: Orm, userId: string): Promise<string[]> {
  const own = alias(members, 'own')
  const rows = await orm
    .selectDistinct({ id: members.userId })
    .from(own)
    .innerJoin(members, eq(members.conversationId, own.conversationId))
    .where(and(eq(own.userId, userId), sql`${members.userId} <> ${userId}`))
  return rows.map(({ id }) => id)
}

function isAmong(userIds: readonly string[]): SQL {
  return sql`${accountKeys.userId} = any(${uuidArray(userIds)}::uuid[])`
}

function isContactOf(userId: string): SQL | undefined {
  return or(eq(accountKeys.userId, userId), areContacts(sql`${userId}::uuid`, accountKeys.userId))
}
