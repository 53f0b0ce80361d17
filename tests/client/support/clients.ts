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

function openAccount({ session, store }: OpenSession): Account {
  const account = new Account({ session, store, transport: WebSocket, codec: plainCodec() })
  onTestFinished(() => account.close())
  return account
}

/** The texts of the messages that a conversation announces from now on. */
export function collectTexts(conversation: Conversation): string[] {
  const texts: string[] = []
  conversation.on('message', ({ body }: Message) => void texts.push(body.text ?? ''))
  return texts
}
