import { RejectedError } from '../errors.ts'
import { readPages } from '../session/pages.ts'
import type { Session } from '../session/session.ts'
import type { WireDirectoryUser } from '../wire.ts'
import { type Member, memberOf } from './member.ts'

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

/** A page of users, in either dialect. */
type Page = Users | { users: Users }

interface Users {
  items: WireDirectoryUser[]
  page_token: string | null
}

/** Finds users by a part of their address or name; all users without it. Page by page as they are needed. */
export async function* searchUsers(
  session: Session,
  search?: string,
): AsyncGenerator<Member, void, undefined> {
  const parameters = { page_size: '100', ...(search !== undefined && { search }) }
  for await (const { items } of readPages(session, '/api/users', parameters, pageOf)) {
    yield* items.map(memberOf)
  }
}

/** The id of the user with an address, or the id itself. @throws RejectedError `users_not_found` */
export async function findUser(session: Session, idOrEmail: string): Promise<string> {
  if (UUID.test(idOrEmail)) return idOrEmail.toLowerCase()
  const found: Member[] = []
  for await (const member of searchUsers(session, idOrEmail)) {
    if (member.email?.toLowerCase() === idOrEmail.toLowerCase()) return member.id
    found.push(member)
  }
  // A site may hide addresses: then only a full address finds someone by it.
  const [only] = found
  if (found.length === 1 && only?.email === null && idOrEmail.includes('@')) return only.id
  throw new RejectedError({ code: 'users_not_found' })
}

function pageOf(page: Page): Users {
  return 'users' in page ? page.users : page
}
