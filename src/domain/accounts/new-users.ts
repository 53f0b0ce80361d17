import { nanoid } from 'nanoid'
import { v7 as newId } from 'uuid'
import type { Orm } from '../../db/database.ts'
import { type Theme, userInsertions } from '../../db/queries/accounts/users.ts'
import { type Insertion, insertAll } from '../../db/queries/insertions.ts'
import { newUsername } from './usernames.ts'

interface NewUser {
  email: string
  /** The email address if absent. */
  displayName?: string | undefined
  /** Generated if absent. */
  username?: string | undefined
  passwordHash?: string
}

/** Inserts users, with generated ids and the default settings of this deployment. */
export class NewUsers {
  readonly #theme: Theme

  constructor({ theme }: { theme: Theme }) {
    this.#theme = theme
  }

  /** @returns the id of the user. */
  async insert(tx: Orm, user: NewUser, now: Date): Promise<string> {
    const { userId, insertions } = this.insertion(tx, user, now)
    await insertAll(tx, insertions)
    return userId
  }

  /** Like `insert`, as parts of a statement. */
  insertion(
    orm: Orm,
    { email, displayName, username, passwordHash }: NewUser,
    now: Date,
  ): { userId: string; insertions: Insertion[] } {
    const user = {
      id: newId(),
      email,
      displayName: displayName ?? email,
      shortId: nanoid(),
      username: username ?? newUsername(),
      isUsernameSet: username !== undefined,
      passwordHash: passwordHash ?? null,
      theme: this.#theme,
    }
    return { userId: user.id, insertions: userInsertions(orm, user, now) }
  }
}
