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

  /** Says who was added since the last time. A private conversation keeps the members that it had first. */
  async note(context: ConversationContext): Promise<Problem[]> {
    const known = await this.#read(context.id)
    const added = strangersTo(known, context)
    if (known?.isPrivate && added.length > 0) return [{ code: 'wrong_members' }]
    const { isPrivate, members } = context
    await this.#store.update(PREFIX + context.id, () => ({ isPrivate, userIds: [...members.keys()] }))
    return added.map(() => ({ code: 'member_added' }))
  }

  /** Throws if a private conversation has other members than before. @throws RecipientsError `wrong_members` */
  async check(context: ConversationContext): Promise<void> {
    const known = await this.#read(context.id)
    const added = known?.isPrivate ? strangersTo(known, context) : []
    if (added.length > 0) throw new RecipientsError('wrong_members', added)
  }

  async #read(conversationId: string): Promise<StoredMembers | undefined> {
    // Only this class stores it.
    return (await this.#store.get(PREFIX + conversationId)) as StoredMembers | undefined
  }
}

function strangersTo(known: StoredMembers | undefined, { members }: ConversationContext): string[] {
  return known ? [...members.keys()].filter((id) => !known.userIds.includes(id)) : []
}
