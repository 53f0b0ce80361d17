import type { Directory as DirectoryMode } from '../../config/config.ts'
import type { Database } from '../../db/database.ts'
import { type ListedUser, listContacts, listUsers } from '../../db/queries/accounts/directory.ts'
import type { UserSummary } from '../../db/queries/accounts/users.ts'
import { invalidField } from '../../errors.ts'
import type { Page, PageTokens } from '../shared/pagination.ts'
import { isStorable } from '../shared/text.ts'
import { looksLikeEmail } from './names.ts'

/** A user in the directory; the email is null if the reader may not see it. */
export type DirectoryEntry = Omit<UserSummary, 'email'> & { email: string | null }

interface UserDirectoryOptions {
  db: Database
  pageTokens: PageTokens
  mode: DirectoryMode
}

/** Lists the users that a user may see. */
export class UserDirectory {
  readonly #db: Database
  readonly #pageTokens: PageTokens
  readonly #mode: DirectoryMode

  constructor({ db, pageTokens, mode }: UserDirectoryOptions) {
    this.#db = db
    this.#pageTokens = pageTokens
    this.#mode = mode
  }

  /**
   * Lists all other users, or the user's contacts, newest first. `search` matches a part of the email or the display name; users who
   * are not contacts, in a directory of members, match by the whole email or a part of the display name.
   */
  async list(
    userId: string,
    { search = '', pageSize = 20, pageToken }: { search?: string; pageSize?: number; pageToken?: string },
  ): Promise<Page<DirectoryEntry>> {
    if (!isStorable(search)) throw invalidField('search', 'has characters that cannot be stored')
    const scope = ['users', userId, search]
    const before = pageToken === undefined ? undefined : this.#pageTokens.open(scope, pageToken)
    const query = { caller: userId, search, before, limit: pageSize + 1 }
    const found =
      this.#mode === 'everyone'
        ? await listUsers(this.#db.orm, query)
        : (await listContacts(this.#db.orm, query)).map(asSeenByReader)
    return this.#pageTokens.page(scope, found, pageSize, ({ id }) => id)
  }
}

/** Hides the email of a user who is not a contact, and a display name that looks like one. */
function asSeenByReader({ isContact, username, ...user }: ListedUser): DirectoryEntry {
  if (isContact) return user
  return { ...user, email: null, displayName: looksLikeEmail(user.displayName) ? username : user.displayName }
}
