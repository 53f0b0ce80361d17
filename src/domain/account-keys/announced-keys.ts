import type { AccountPublicKeys } from '../../db/queries/account-keys/key-sets.ts'

/** Maximum number of members of a conversation whose keys are sent to each of them with `new_conversation`. */
const MAX_MEMBERS = 100

/** Whether an event that every member receives has the keys of all: in a large group they would be sent members times members. */
export function hasAnnouncedKeys(memberCount: number): boolean {
  return memberCount <= MAX_MEMBERS
}

/** The keys in an event for every member of a conversation; undefined in a large group. */
export function announcedKeys(
  keys: ReadonlyMap<string, AccountPublicKeys>,
  memberCount: number,
): ReadonlyMap<string, AccountPublicKeys> | undefined {
  return hasAnnouncedKeys(memberCount) ? keys : undefined
}
