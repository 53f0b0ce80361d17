import type { WireDirectoryUser } from '../wire.ts'

/** A user, as others see them. */
export interface Member {
  id: string
  name: string
  /** Null where the site hides it. */
  email: string | null
  /** Whether the address was ever verified: anyone can register any address. */
  confirmed: boolean
}

/** The member that an object of the server describes. */
export function memberOf({ id, email, display_name, confirmed }: WireDirectoryUser): Member {
  return { id, name: display_name, email, confirmed }
}

/** Stands for a user about whom the server says nothing any more, such as the sender of an old message. */
export function unknownMember(id: string): Member {
  return { id, name: id, email: null, confirmed: false }
}
