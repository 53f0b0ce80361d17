import type { Conversation } from '../db/queries/conversations.ts'
import type { RosterRow } from '../db/queries/members.ts'
import type { UserSummary } from '../db/queries/users.ts'
import { type Jwk, type KeyKind, type KeyOwner, openKey } from './conversation-keys.ts'
import type { Vault } from './vault.ts'

/** All that a member sees on entering a conversation, except its messages. */
export interface ConversationDetails {
  conversation: Conversation
  users: UserSummary[]
  /** When each member last read, by user id. */
  readTimes: Map<string, Date | null>
  /** The place up to which each member has read, by user id. */
  readSeqs: Map<string, number>
  /** The place of the latest change that is surely among what is read of the conversation after this. */
  lastSeq: number
  /** Messages that the reader has not read. */
  unread: number
  /** By user id; members who have not set their keys are absent. */
  publicKeys: Map<string, Jwk>
  /** The reader's own. */
  privateKey: Jwk | null
}

/** Puts together what the reader may see; undefined when the roster does not name them. */
export function detailsOf(
  vault: Vault,
  roster: RosterRow[],
  reader: KeyOwner,
): ConversationDetails | undefined {
  const own = roster.find((row) => row.id === reader.userId)
  if (!own) return undefined
  const publicKeys = new Map<string, Jwk>()
  for (const row of roster) {
    const key = open(vault, row, { ...reader, userId: row.id }, 'public')
    if (key) publicKeys.set(row.id, key)
  }
  return {
    conversation: conversationOf(reader.conversationId, own),
    users: roster.map(({ id, email, displayName }) => ({ id, email, displayName })),
    readTimes: new Map(roster.map((row) => [row.id, row.lastRead === null ? null : new Date(row.lastRead)])),
    readSeqs: new Map(roster.map((row) => [row.id, row.readSeq])),
    lastSeq: own.lastSeq,
    unread: own.unread,
    publicKeys,
    privateKey: open(vault, own, reader, 'private'),
  }
}

function open(vault: Vault, row: RosterRow, owner: KeyOwner, kind: KeyKind): Jwk | null {
  const bytes = kind === 'public' ? row.publicKey : row.privateKey
  if (!row.vaultKey || !bytes) return null
  return openKey(vault, { vaultKey: row.vaultKey, bytes }, owner, kind)
}

function conversationOf(id: string, row: RosterRow): Conversation {
  return {
    id,
    private: row.private,
    alias: row.alias,
    insertedAt: new Date(row.insertedAt),
    updatedAt: new Date(row.updatedAt),
  }
}
