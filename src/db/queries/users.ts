import { and, desc, eq, lt, ne, or, type SQL, sql } from 'drizzle-orm'
import type { Orm } from '../database.ts'
import { profiles, users } from '../schema.ts'

/** What everyone may know of a user. */
export interface UserSummary {
  id: string
  email: string
  displayName: string
}

export type Theme = 'day' | 'night' | 'auto'

/** The settings that only their user sees; `magnification` has one decimal. */
export interface Profile {
  hidden: boolean
  theme: Theme
  magnification: number
  recents: string[]
}

/** A user with everything of theirs but the password. */
export interface Account extends UserSummary, Profile {
  shortId: string
  username: string
  /** Whether they have chosen the username themselves. */
  isUsernameSet: boolean
  confirmedAt: Date | null
}

/** An account to be made. */
export interface NewUser extends UserSummary {
  shortId: string
  username: string
  isUsernameSet?: boolean
  passwordHash: string | null
}

/** What proves an account to be one's own. */
export interface Credentials {
  email: string
  passwordHash: string | null
}

const summary = { id: users.id, email: users.email, displayName: users.displayName }
const settings = {
  hidden: profiles.hidden,
  theme: profiles.theme,
  magnification: profiles.magnification,
  recents: profiles.recents,
}
const account = {
  ...summary,
  ...settings,
  shortId: users.shortId,
  username: users.username,
  isUsernameSet: users.isUsernameSet,
  confirmedAt: users.emailConfirmedAt,
}

/** Saves a new user with the default profile. */
export async function insertUser(orm: Orm, user: NewUser, now: Date): Promise<void> {
  await orm.insert(users).values({ ...user, insertedAt: now, updatedAt: now })
  await orm.insert(profiles).values({ userId: user.id })
}

export async function findAccount(orm: Orm, userId: string): Promise<Account | undefined> {
  const rows = await orm
    .select(account)
    .from(users)
    .innerJoin(profiles, ownProfile)
    .where(eq(users.id, userId))
  return rows[0]
}

/** Finds an account by its address, in any letter case, with its password hash. */
export async function findForSignIn(orm: Orm, email: string): Promise<(Account & Credentials) | undefined> {
  const rows = await orm
    .select({ ...account, passwordHash: users.passwordHash })
    .from(users)
    .innerJoin(profiles, ownProfile)
    .where(hasEmail(email))
  return rows[0]
}

/** Finds an account by its address, in any letter case. */
export async function findAccountByEmail(orm: Orm, email: string): Promise<Account | undefined> {
  const rows = await orm.select(account).from(users).innerJoin(profiles, ownProfile).where(hasEmail(email))
  return rows[0]
}

/** Finds the user of an address, in any letter case. */
export async function findUserByEmail(orm: Orm, email: string): Promise<UserSummary | undefined> {
  const rows = await orm.select(summary).from(users).where(hasEmail(email))
  return rows[0]
}

export async function findCredentials(orm: Orm, userId: string): Promise<Credentials | undefined> {
  const rows = await orm.select(credentials).from(users).where(eq(users.id, userId))
  return rows[0]
}

/** The same, and nobody else changes them before the transaction is over. */
export async function lockCredentials(tx: Orm, userId: string): Promise<Credentials | undefined> {
  // Rows that refer to the user, new messages for one, need not wait.
  const rows = await tx.select(credentials).from(users).where(eq(users.id, userId)).for('no key update')
  return rows[0]
}

const credentials = { email: users.email, passwordHash: users.passwordHash }

/** Changes columns of a user's own row. */
export async function updateUser(
  orm: Orm,
  userId: string,
  changes: { email?: string; passwordHash?: string; emailConfirmedAt?: Date | null },
  now: Date,
): Promise<void> {
  await orm
    .update(users)
    .set({ ...changes, updatedAt: now })
    .where(eq(users.id, userId))
}

/** Changes the display name; false when it is this one already. */
export async function updateDisplayName(
  orm: Orm,
  userId: string,
  displayName: string,
  now: Date,
): Promise<boolean> {
  const changed = await orm
    .update(users)
    .set({ displayName, updatedAt: now })
    .where(and(eq(users.id, userId), ne(users.displayName, displayName)))
    .returning({ id: users.id })
  return changed.length > 0
}

/** Changes the given settings, of which there is at least one; undefined when there is no such user. */
export async function updateProfile(
  orm: Orm,
  userId: string,
  changes: Partial<Profile>,
): Promise<Profile | undefined> {
  const rows = await orm.update(profiles).set(changes).where(eq(profiles.userId, userId)).returning(settings)
  return rows[0]
}

/** Which users to list: newest first, after `before`, those in whose email or name `search` occurs. */
export interface UserListQuery {
  /** This one is left out. */
  except: string
  search: string
  before: string | undefined
  limit: number
}

export async function listUsers(orm: Orm, query: UserListQuery): Promise<UserSummary[]> {
  return orm
    .select(summary)
    .from(users)
    .where(
      and(
        ne(users.id, query.except),
        query.before ? lt(users.id, query.before) : undefined,
        query.search
          ? or(contains(users.email, query.search), contains(users.displayName, query.search))
          : undefined,
      ),
    )
    .orderBy(desc(users.id))
    .limit(query.limit)
}

const ownProfile = eq(profiles.userId, users.id)

function hasEmail(email: string): SQL {
  return sql`lower(${users.email}) = lower(${email})`
}

/** A search, in which no character is a wildcard. */
function contains(column: typeof users.email | typeof users.displayName, text: string): SQL {
  return sql`strpos(lower(${column}), lower(${text})) > 0`
}
