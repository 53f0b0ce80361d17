import type { AccountPublicKeys } from '../../db/queries/account-keys/key-sets.ts'
import type { UserSummary } from '../../db/queries/accounts/users.ts'
import type { Conversation } from '../../db/queries/conversations/conversations.ts'
import type { MemberRow } from '../../db/queries/conversations/members.ts'
import type { Jwk, KeyOwner } from './conversation-keys.ts'
import type { KeyReader } from './key-reader.ts'

/** The state of a conversation that a member receives on join, without its messages. */
export interface ConversationDetails {
  conversation: Conversation
  users: UserSummary[]
  /** When each member last read, by user id. */
  readTimes: Map<string, Date | null>
  /** The `seq` up to which each member has read, by user id. */
  readSeqs: Map<string, number>
  /** The `seq` of the latest change that any later read of the conversation includes. */
  lastSeq: number
  /** Number of messages that the reader has not read. */
  unread: number
  /** By user id; members without keys are absent. */
  publicKeys: Map<string, Jwk>
  /** The keys of the accounts of members, by user id; members without a key set are absent. */
  accountKeys: Map<string, AccountPublicKeys>
  /** The reader's own private key. */
  privateKey: Jwk | null
}

/** Builds the details for a reader; undefined if the reader is not a member. */
export function openConversationDetails(
  keys: KeyReader,
  rows: MemberRow[],
  reader: KeyOwner,
): ConversationDetails | undefined {
  const own = rows.find((row) => row.id === reader.userId)
  if (!own) return undefined
  const publicKeys = new Map<string, Jwk>()
  for (const row of rows) {
    const key = keys.open(row, { ...reader, userId: row.id }, 'public')
    if (key) publicKeys.set(row.id, key)
  }
  return {
    conversation: conversationOf(reader.conversationId, own),
    users: rows.map(({ id, email, displayName, confirmed }) => ({ id, email, displayName, confirmed })),
    readTimes: new Map(rows.map((row) => [row.id, row.lastRead === null ? null : new Date(row.lastRead)])),
    readSeqs: new Map(rows.map((row) => [row.id, row.readSeq])),
    lastSeq: own.lastSeq,
    unread: own.unread,
    publicKeys,
    accountKeys: new Map(rows.flatMap(accountKeysOf)),
    privateKey: keys.open(own, reader, 'private'),
  }
}

function accountKeysOf({
  id,
  keysVersion,
  encryptionKey,
  signingKey,
}: MemberRow): [string, AccountPublicKeys][] {
  if (keysVersion === null || !encryptionKey || !signingKey) return []
  return [[id, { version: keysVersion, encryptionKey, signingKey }]]
}

function conversationOf(id: string, row: MemberRow): Conversation {
  return {
    id,
    private: row.private,
    alias: row.alias,
    insertedAt: new Date(row.insertedAt),
    updatedAt: new Date(row.updatedAt),
  }
}
