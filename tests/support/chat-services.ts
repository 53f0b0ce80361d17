import { beforeEach } from 'vitest'
import type { Database } from '../../src/db/database.ts'
import type { Draft } from '../../src/db/queries/conversations/send-batch.ts'
import { conversationSends } from '../../src/domain/conversations/conversation-sends.ts'
import { Conversations } from '../../src/domain/conversations/conversations.ts'
import { Messages } from '../../src/domain/conversations/messages.ts'
import { SendQueue, type SendQueueOptions } from '../../src/domain/sending/send-queue.ts'
import type { DomainEvents } from '../../src/domain/shared/events.ts'
import { PageTokens } from '../../src/domain/shared/pagination.ts'
import { Vault } from '../../src/domain/vault/vault.ts'
import { addUser } from './account-services.ts'
import { openEventBus } from './event-bus.ts'
import { setUpEmptyDatabase } from './set-up-database.ts'

const VAULT_SECRET = 'a vault secret for tests: long enough'

const CHANGES = ['message_sent', 'message_edited', 'message_deleted', 'member_left'] as const

/** An emitted event, with its name. */
export type EmittedEvent = {
  [Name in (typeof CHANGES)[number]]: { name: Name } & DomainEvents[Name]
}[(typeof CHANGES)[number]]

/** The conversations and messages of one node, with the events that they emitted, in order. */
export async function openChat(db: Database, options: SendQueueOptions = {}) {
  const events = openEventBus()
  const emitted: EmittedEvent[] = []
  for (const name of CHANGES) events.on(name, (event) => emitted.push({ name, ...event } as EmittedEvent))
  const queue = new SendQueue(db, options)
  const sends = conversationSends(db, events)
  const vault = await Vault.open(db, [VAULT_SECRET])
  const pageTokens = new PageTokens('a secret of thirty-two characters')
  return {
    db,
    events,
    emitted,
    queue,
    send: (draft: Draft) => queue.send(sends, draft),
    vault,
    conversations: new Conversations({ db, queue, vault, events, pageTokens }),
    messages: new Messages({ db, queue, events, pageTokens }),
  }
}

export type Chat = Awaited<ReturnType<typeof openChat>>

/** Adds users by name, and returns their ids. */
export async function addPeople<Names extends string[]>(db: Database, ...names: Names) {
  const ids = await Promise.all(names.map((name) => addUser(db, `${name}@example.com`)))
  return ids as { [Name in keyof Names]: string }
}

/** Keys as a client makes them. The server does not check their contents. */
export function keysNamed(name: string) {
  return { publicKey: { kty: 'RSA', n: name }, privateKey: { kty: 'RSA', n: name, d: 'secret' } }
}

/** Starts a group. The first user is its creator. @returns its id. */
export async function startGroup({ conversations }: Chat, [creator, ...others]: string[]): Promise<string> {
  const start = { userIds: others, ...keysNamed('creator') }
  return (await conversations.startGroup(creator as string, start)).conversation.id
}

/** The fixture of `setUpGroupOfTwo`: Ann, Bob and Cid, and a group of Ann and Bob. */
export interface GroupOfTwo {
  db: Database
  chat: Chat
  ann: string
  bob: string
  cid: string
  group: string
}

/** Creates a fresh fixture for each test of a file, in one database. */
export function setUpGroupOfTwo(assign: (fixture: GroupOfTwo) => void): void {
  const db = setUpEmptyDatabase()
  beforeEach(async () => {
    const chat = await openChat(db)
    const [ann, bob, cid] = await addPeople(db, 'ann', 'bob', 'cid')
    assign({ db, chat, ann, bob, cid, group: await startGroup(chat, [ann, bob]) })
  })
}

/** One copy of the text for each user. */
export function contentsFor(userIds: string[], text: string): Map<string, string> {
  return new Map(userIds.map((id) => [id, text]))
}

/** Returns `ok` if a promise resolves, or the code of the `AppError` that it rejects with. @throws any other error. */
export async function resultOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise
    return 'ok'
  } catch (error) {
    if (error instanceof Error && error.name === 'AppError') return (error as Error & { code: string }).code
    throw error
  }
}
