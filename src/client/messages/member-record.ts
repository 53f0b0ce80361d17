import type { ConversationContext, Problem } from '../conversations/codec.ts'
import { RecipientsError } from '../errors.ts'
import type { Store } from '../stores/store.ts'

const PREFIX = 'members/'

/** Who the members of a conversation were when it was joined last. */
interface StoredMembers {
  isPrivate: boolean
  userIds: string[]
}

/** Remembers the members of conversations, to notice whom the server adds. */
export class MemberRecord {
  readonly #store: Store

  constructor(store: Store) {
    this.#store = store
  }

  /** Reports who was added since the last time. A private conversation keeps the two members that it had first. */
  async note(context: ConversationContext): Promise<Problem[]> {
    const known = await this.#read(context.id)
    const added = addedMembers(known, context)
    if (isForTwo(known, context) && added.length > 0) return [{ code: 'wrong_members' }]
    const { isPrivate, members } = context
    await this.#store.update(PREFIX + context.id, () => ({ isPrivate, userIds: [...members.keys()] }))
    return added.map(() => ({ code: 'member_added' }))
  }

  /** Throws if a private conversation has more than two members, or others than before. @throws RecipientsError `wrong_members` */
  async check(context: ConversationContext): Promise<void> {
    const known = await this.#read(context.id)
    const added = isForTwo(known, context) ? addedMembers(known, context) : []
    if (added.length > 0) throw new RecipientsError('wrong_members', added)
  }

  async #read(conversationId: string): Promise<StoredMembers | undefined> {
    // Only this class stores it.
    return (await this.#store.get(PREFIX + conversationId)) as StoredMembers | undefined
  }
}

function isForTwo(known: StoredMembers | undefined, { isPrivate }: ConversationContext): boolean {
  return known?.isPrivate ?? isPrivate
}

/** The members who were not there last time. On first sight, those of a private conversation of more than two: one of them was added. */
function addedMembers(
  known: StoredMembers | undefined,
  { isPrivate, members }: ConversationContext,
): string[] {
  const userIds = [...members.keys()]
  if (!known) return isPrivate && userIds.length > 2 ? userIds : []
  return userIds.filter((id) => !known.userIds.includes(id))
}
