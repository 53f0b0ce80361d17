import { onTestFinished } from 'vitest'
import { WebSocket } from 'ws'
import { Account } from '../../../src/client/account.ts'
import type { Conversation } from '../../../src/client/conversations/conversation.ts'
import type { Message } from '../../../src/client/conversations/message.ts'
import { type OpenSession, register, resume, signIn } from '../../../src/client/session/sign-in.ts'
import { memoryStore } from '../../../src/client/stores/memory.ts'
import type { Store } from '../../../src/client/stores/store.ts'
import { PASSWORD } from '../../support/app.ts'
import { plainCodec } from './plain-codec.ts'

/** The secret under which the keys of test accounts are locked. */
export const PASSPHRASE = 'a passphrase for tests'

interface Site {
  url: string
}

/** Creates the account `<name>@example.com` and opens it. It is closed when the test has finished. */
export async function registerClient({ url }: Site, name: string, store = memoryStore()): Promise<Account> {
  const email = `${name}@example.com`
  return openAccount(await register({ url, email, password: PASSWORD, name: `${name} Example`, store }))
}

/** Signs in to the account `<name>@example.com`, as another device. */
export async function signInClient({ url }: Site, name: string, store = memoryStore()): Promise<Account> {
  return openAccount(await signIn({ url, email: `${name}@example.com`, password: PASSWORD, store }))
}

/** Continues the session in a store, as another tab or process would. @throws if there is none. */
export async function resumeClient({ url }: Site, store: Store): Promise<Account> {
  const opened = await resume({ url, store })
  if (!opened) throw new Error('There is no session in the store.')
  return openAccount(opened)
}

/** Creates the account `<name>@example.com` with keys under a passphrase. It is closed when the test has finished. */
export async function registerKeyed({ url }: Site, name: string, store = memoryStore()): Promise<Account> {
  const email = `${name}@example.com`
  const opened = await register({ url, email, password: PASSWORD, name: `${name} Example`, store })
  const account = closeLater(new Account({ ...opened, transport: WebSocket }))
  await account.keys.create(PASSPHRASE)
  return account
}

/** Signs in to the account `<name>@example.com` as another device, and unlocks its keys, or makes the first ones. */
export async function signInKeyed(
  { url }: Site,
  name: string,
  store = memoryStore(),
  { isNew = false } = {},
): Promise<Account> {
  const opened = await signIn({ url, email: `${name}@example.com`, password: PASSWORD, store })
  const account = closeLater(new Account({ ...opened, transport: WebSocket }))
  await (isNew ? account.keys.create(PASSPHRASE) : account.keys.unlock(PASSPHRASE))
  return account
}

function openAccount({ session, store }: OpenSession): Account {
  return closeLater(new Account({ session, store, transport: WebSocket, codec: plainCodec() }))
}

function closeLater(account: Account): Account {
  onTestFinished(() => account.close())
  return account
}

/** The texts of the messages that a conversation announces from now on. */
export function collectTexts(conversation: Conversation): string[] {
  const texts: string[] = []
  conversation.on('message', ({ body }: Message) => void texts.push(body.text ?? ''))
  return texts
}
