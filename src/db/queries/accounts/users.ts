import { and, eq, isNotNull, ne, type SQL, sql } from 'drizzle-orm'
import { canonicalEmail } from '../../../canonical-email.ts'
import type { Orm } from '../../database.ts'
import { profiles, totpDevices, users } from '../../schema.ts'
import type { Insertion } from '../insertions.ts'

/** The public part of a user. */
export interface UserSummary {
  id: string
  email: string
  displayName: string
  /** Whether the email was ever verified. */
  confirmed: boolean
}

/** Who may add a user to conversations and rooms. Contacts share a conversation or a room. */
export type WhoCanAdd = 'everyone' | 'contacts' | 'nobody'

export type Theme = 'day' | 'night' | 'auto'

/** A user's private settings; `magnification` has one decimal. */
export interface Profile {
  hidden: boolean
  theme: Theme
  magnification: number
  recents: string[]
  whoCanAdd: WhoCanAdd
}

/** A user with profile and settings, without the password. */
export interface Account extends UserSummary, Profile {
  shortId: string
  username: string
  /** Whether the user chose the username; otherwise it was generated. */
  isUsernameSet: boolean
  confirmedAt: Date | null
}

/** A user to insert. */
export interface NewUser extends Omit<UserSummary, 'confirmed'> {
  shortId: string
  username: string
  isUsernameSet?: boolean
  passwordHash: string | null
  /** The default theme of the database if absent. */
  theme?: Theme
}

/** The credentials of a user. */
export interface Credentials {
  email: string
  passwordHash: string | null
  confirmedAt: Date | null
}

/** The columns of a summary. */
export const summary = {
  id: users.id,
  email: users.email,
  displayName: users.displayName,
  // Drizzle does not type the result of a condition.
  confirmed: isNotNull(users.emailConfirmedAt) as SQL<boolean>,
}
const settings = {
  hidden: profiles.hidden,
  theme: profiles.theme,
  magnification: profiles.magnification,
  recents: profiles.recents,
  whoCanAdd: profiles.whoCanAdd,
}
/** The columns of an account. */
export const account = {
  ...summary,
  ...settings,
  shortId: users.shortId,
  username: users.username,
  isUsernameSet: users.isUsernameSet,
  confirmedAt: users.emailConfirmedAt,
}

/** Inserts a user and their profile. */
export function userInsertions(orm: Orm, { theme, ...user }: NewUser, now: Date): Insertion[] {
  const derived = { canonicalEmail: canonicalEmail(user.email), insertedAt: now, updatedAt: now }
  const ofUser = orm.insert(users).values({ ...user, ...derived })
  const ofProfile = orm.insert(profiles).values({ userId: user.id, theme })
  return [
    orm.$with('new_user').as(ofUser.returning({ id: users.id })),
    orm.$with('new_profile').as(ofProfile.returning({ userId: profiles.userId })),
  ]
}

export async function findAccount(orm: Orm, userId: string): Promise<Account | undefined> {
  const rows = await orm
    .select(account)
    .from(users)
    .innerJoin(profiles, ownProfile)
    .where(eq(users.id, userId))
    .prepare('account')
    .execute()
  return rows[0]
}

/** An account that is signing in. */
export interface SignInAccount extends Account {
  /** Whether it has a confirmed authenticator app. */
  hasDevice: boolean
}

/** Finds an account by its address, in any spelling, with its password hash. */
export async function findForSignIn(
  orm: Orm,
  email: string,
): Promise<(SignInAccount & Credentials) | undefined> {
  const hasDevice = sql<boolean>`exists (
    select from ${totpDevices} where ${totpDevices.userId} = ${users.id} and ${totpDevices.confirmedAt} is not null)`
  const rows = await orm
    .select({ ...account, passwordHash: users.passwordHash, hasDevice })
    .from(users)
    .innerJoin(profiles, ownProfile)
    .where(hasEmail(email))
    .prepare('for_sign_in')
    .execute()
  return rows[0]
}

/** Finds an account by its address, in any spelling. */
export async function findAccountByEmail(orm: Orm, email: string): Promise<Account | undefined> {
  const rows = await orm.select(account).from(users).innerJoin(profiles, ownProfile).where(hasEmail(email))
  return rows[0]
}

/** Finds the user of an address, in any spelling. */
export async function findUserByEmail(orm: Orm, email: string): Promise<UserSummary | undefined> {
  const rows = await orm.select(summary).from(users).where(hasEmail(email))
  return rows[0]
}

export async function findCredentials(orm: Orm, userId: string): Promise<Credentials | undefined> {
  const rows = await orm.select(credentials).from(users).where(eq(users.id, userId))
  return rows[0]
}

/** The user of an address, and the time since which their device cookies are valid; null for always. */
export async function findDeviceOwner(
  orm: Orm,
  email: string,
): Promise<{ id: string; validFrom: Date | null } | undefined> {
  const rows = await orm
    .select({ id: users.id, validFrom: users.devicesValidFrom })
    .from(users)
    .where(hasEmail(email))
    .prepare('device_owner')
    .execute()
  return rows[0]
}

/** Finds credentials and locks the user's row until the transaction ends. */
export async function lockCredentials(tx: Orm, userId: string): Promise<Credentials | undefined> {
  // This lock does not block inserts of rows that reference the user, such as messages.
  const rows = await tx.select(credentials).from(users).where(eq(users.id, userId)).for('no key update')
  return rows[0]
}

const credentials = {
  email: users.email,
  passwordHash: users.passwordHash,
  confirmedAt: users.emailConfirmedAt,
}

/** Updates columns of a user. */
export async function updateUser(
  orm: Orm,
  userId: string,
  changes: {
    email?: string
    passwordHash?: string | null
    emailConfirmedAt?: Date | null
    devicesValidFrom?: Date
  },
  now: Date,
): Promise<void> {
  await orm
    .update(users)
    .set({
      ...changes,
      ...(changes.email !== undefined && {
        canonicalEmail: canonicalEmail(changes.email),
        // A display name that is the old address becomes the new one.
        displayName: sql`case when ${users.displayName} = ${users.email} then ${changes.email} else ${users.displayName} end`,
      }),
      updatedAt: now,
    })
    .where(eq(users.id, userId))
}

/** Updates the display name; false when it is unchanged, or the email has changed since it was read. */
export async function updateDisplayName(
  orm: Orm,
  { id, email }: Pick<UserSummary, 'id' | 'email'>,
  displayName: string,
  now: Date,
): Promise<boolean> {
  const changed = await orm
    .update(users)
    .set({ displayName, updatedAt: now })
    .where(and(eq(users.id, id), eq(users.email, email), ne(users.displayName, displayName)))
    .returning({ id: users.id })
  return changed.length > 0
}

/** Updates the given settings, at least one; undefined when there is no such user. */
export async function updateProfile(
  orm: Orm,
  userId: string,
  changes: Partial<Profile>,
): Promise<Profile | undefined> {
  const rows = await orm.update(profiles).set(changes).where(eq(profiles.userId, userId)).returning(settings)
  return rows[0]
}

/** Joins the profile of a user. */
export const ownProfile = eq(profiles.userId, users.id)

/** Whether the user has this address, in any spelling. */
export function hasEmail(email: string): SQL {
  return eq(users.canonicalEmail, canonicalEmail(email))
}
