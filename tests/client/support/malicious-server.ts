import type { Account } from '../../../src/client/account.ts'
import type { Conversation } from '../../../src/client/conversations/conversation.ts'
import { startApp, type TestApp } from '../../support/app.ts'
import { eventually } from '../../support/eventually.ts'
import { type Frame, TamperingProxy } from '../../support/tampering-proxy.ts'
import { registerKeyed } from './clients.ts'

/** A message as the server delivers it to one of its members. */
export interface DeliveredMessage {
  content: string
  shared?: string
  sender: string
  message_group: string
  seq: number
  [field: string]: unknown
}

/** The payload of `new_message` and `edit_message`. */
export interface Delivery {
  conversation_id: string
  message: DeliveredMessage
  /** Only of an edit: its own position. */
  seq?: number
  [field: string]: unknown
}

/** The event of a message, and its payload. */
export type MessageEvent = 'new_message' | 'edit_message'

/** What a malicious server makes of the event of a message. */
export type ChangeDelivery = (
  delivery: Delivery,
  event: MessageEvent,
) => (Delivery | [MessageEvent, Delivery])[]

/** Two users who talk. The server is malicious towards Bob. */
export interface Talk {
  app: TestApp
  proxy: TamperingProxy
  ann: Account
  bob: Account
  hers: Conversation
  his: Conversation
  /** The codes of what Bob was notified of. */
  notices: string[]
}

/** Starts a server and its malicious front. */
export async function startMalicious(): Promise<{ app: TestApp; proxy: TamperingProxy }> {
  const app = await startApp()
  return { app, proxy: await TamperingProxy.start(app.url) }
}

/** Ann and Bob, who have a conversation with one message of each. */
export async function startTalk(): Promise<Talk> {
  const { app, proxy } = await startMalicious()
  const [ann, bob] = await Promise.all([registerKeyed(app, 'ann'), registerKeyed(proxy, 'bob')])
  const hers = await ann.conversations.with(bob.user.id)
  const his = await bob.open(hers.id)
  await hers.send('first')
  await his.send('second')
  await eventually(() => {
    for (const { messages } of [hers, his]) textsAre(messages, ['first', 'second'])
  })
  return { app, proxy, ann, bob, hers, his, notices: collectNotices(his) }
}

/** The codes of what a conversation notifies of, from now on. */
export function collectNotices(conversation: Conversation): string[] {
  const codes: string[] = []
  conversation.on('notice', ({ code }) => void codes.push(code))
  return codes
}

/** Changes the events of messages to the clients of a proxy. */
export function tamperMessages(proxy: TamperingProxy, change: ChangeDelivery): void {
  proxy.tampering = {
    ...proxy.tampering,
    toClient: (frame) => {
      const [joinRef, ref, topic, event, payload] = frame
      if (event !== 'new_message' && event !== 'edit_message') return [frame]
      return change(structuredClone(payload) as Delivery, event).map((changed): Frame => {
        const [name, delivery] = Array.isArray(changed) ? changed : [event, changed]
        return [joinRef, ref, topic, name, delivery]
      })
    },
  }
}

/** Changes the replies to joins of conversations to the clients of a proxy. */
export function tamperJoins(
  proxy: TamperingProxy,
  change: (reply: Record<string, unknown>) => Record<string, unknown>,
): void {
  proxy.tampering = {
    ...proxy.tampering,
    toClient: (frame) => {
      const [joinRef, ref, topic, event, payload] = frame
      const { status, response } = payload as { status?: string; response?: unknown }
      if (event !== 'phx_reply' || status !== 'ok' || !isJoinReply(response)) return [frame]
      return [[joinRef, ref, topic, event, { status, response: change(structuredClone(response)) }]]
    },
  }
}

/** Changes what the server says about the keys of a user; undefined leaves the user out. */
export function tamperKeyQueries(
  proxy: TamperingProxy,
  userId: string,
  change: (item: object) => object | undefined,
): void {
  proxy.tampering = {
    ...proxy.tampering,
    response: (path, body) => {
      if (path !== '/api/keys/query') return body
      const { items } = body as { items: { user_id: string }[] }
      return { items: items.flatMap((item) => (item.user_id === userId ? (change(item) ?? []) : item)) }
    },
  }
}

/** The payloads that clients of a proxy send as messages, from now on. */
export function collectSends(proxy: TamperingProxy): SentPayload[] {
  const sends: SentPayload[] = []
  proxy.tampering = {
    ...proxy.tampering,
    toServer: (frame) => {
      if (frame[3] === 'send_message') sends.push(frame[4] as SentPayload)
      return [frame]
    },
  }
  return sends
}

/** The payload of `send_message`. */
export interface SentPayload {
  encrypted_messages: Record<string, string>
}

/** Changes the first character of a part of a compact JWE: its content, and not its form. */
export function alter(jwe: string, part: number): string {
  const parts = jwe.split('.')
  const text = parts[part]!
  parts[part] = (text.startsWith('A') ? 'B' : 'A') + text.slice(1)
  return parts.join('.')
}

/** The texts of messages that are shown. */
export function textsOf(messages: Conversation['messages']): (string | undefined)[] {
  return messages.map(({ body }) => body.text)
}

function textsAre(messages: Conversation['messages'], texts: string[]): void {
  if (textsOf(messages).join() !== texts.join()) throw new Error(`The texts are ${textsOf(messages).join()}.`)
}

function isJoinReply(response: unknown): response is Record<string, unknown> {
  return typeof response === 'object' && response !== null && 'account_keys' in response
}
