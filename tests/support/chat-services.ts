import { afterAll, beforeAll, beforeEach } from 'vitest'
import type { Database } from '../../src/db/database.ts'
import { Conversations } from '../../src/domain/conversations.ts'
import type { DomainEvents } from '../../src/domain/events.ts'
import { Messages } from '../../src/domain/messages.ts'
import { PageTokens } from '../../src/domain/pagination.ts'
import { SendQueue, type SendQueueOptions } from '../../src/domain/send-queue.ts'
import { Vault } from '../../src/domain/vault.ts'
import { addUser } from './account-services.ts'
import { openTestDatabase, truncateAll } from './database.ts'
import { openEventBus } from './event-bus.ts'

export const VAULT_SECRET = 'a vault secret for tests: long enough'

const CHANGES = ['message_sent', 'message_edited', 'message_deleted', 'member_left'] as const

/** An event as it was emitted, under its name. */
export type Told = {
  [Name in (typeof CHANGES)[number]]: { name: Name } & DomainEvents[Name]
}[(typeof CHANGES)[number]]

/** One node's conversations and messages, with what they told others, in order. */
export async function openChat(db: Database, options: SendQueueOptions = {}) {
  const events = openEventBus()
  const told: Told[] = []
  for (const name of CHANGES) events.on(name, (event) => told.push({ name, ...event } as Told))
  const queue = new SendQueue(db, events, options)
  const vault = await Vault.open(db, [VAULT_SECRET])
  const pageTokens = new PageTokens('a secret of thirty-two characters')
  return {
    db,
    events,
    told,
    queue,
    vault,
    conversations: new Conversations({ db, queue, vault, events }),
    messages: new Messages({ db, queue, events, pageTokens }),
  }
}

export type Chat = Awaited<ReturnType<typeof openChat>>

/** Adds users by name, and returns their ids. */
export async function addPeople<Names extends string[]>(db: Database, ...names: Names) {
  const ids = await Promise.all(names.map((name) => addUser(db, `${name}@example.com`)))
  return ids as { [Name in keyof Names]: string }
}

/** Keys as a client might make them, as far as the server can tell. */
export function keysNamed(name: string) {
  return { publicKey: { kty: 'RSA', n: name }, privateKey: { kty: 'RSA', n: name, d: 'secret' } }
}

/** Starts a group of these, the first being the creator, and returns its id. */
export async function startGroup({ conversations }: Chat, [creator, ...others]: string[]): Promise<string> {
  const start = { userIds: others, ...keysNamed('creator') }
  return (await conversations.startGroup(creator as string, start)).conversation.id
}

/** What a test about a group has: Ann, Bob and Cid, and a group of the first two. */
export interface GroupOfTwo {
  db: Database
  chat: Chat
  ann: string
  bob: string
  cid: string
  group: string
}

/** Gives every test of a file these anew, in one database. */
export function eachWithAGroup(give: (given: GroupOfTwo) => void): void {
  let db: Database
  beforeAll(async () => {
    db = await openTestDatabase()
  })
  afterAll(() => db.close())
  beforeEach(async () => {
    await truncateAll(db)
    const chat = await openChat(db)
    const [ann, bob, cid] = await addPeople(db, 'ann', 'bob', 'cid')
    give({ db, chat, ann, bob, cid, group: await startGroup(chat, [ann, bob]) })
  })
}

/** The same text for each: what the server sees as so many encrypted copies. */
export function contentsFor(userIds: string[], text: string): Map<string, string> {
  return new Map(userIds.map((id) => [id, text]))
}

/** The code of the rule a promise breaks; `kept` when it breaks none. @throws what is not a broken rule. */
export async function ruleBroken(promise: Promise<unknown>): Promise<string> {
  try {
    await promise
    return 'kept'
  } catch (error) {
    if (error instanceof Error && error.name === 'AppError') return (error as Error & { code: string }).code
    throw error
  }
}
