import { readPages } from '../session/pages.ts'
import type { Session } from '../session/session.ts'
import type { WireCatchUp, WireMessage, WireMessages } from '../wire.ts'

const PAGE_SIZE = '50'

/** A page, in either dialect. */
type Page = WireMessages | { messages: WireMessages }

/** Reads the messages of a conversation, newest first. */
export async function* readMessages(session: Session, id: string): AsyncGenerator<WireMessage> {
  const parameters = { conversation_id: id, page_size: PAGE_SIZE }
  for await (const { items } of readPages(session, '/api/messages', parameters, pageOf)) yield* items
}

/** Reads the changes of a conversation after a `seq`. */
export async function readChanges(session: Session, id: string, afterSeq: number): Promise<WireCatchUp> {
  const query = new URLSearchParams({ conversation_id: id, after_seq: `${afterSeq}` })
  const reply = await session.request<WireCatchUp & Partial<WireMessages>>('GET', `/api/messages?${query}`)
  if (reply.recovered || reply.messages) return reply
  return { ...reply, messages: { items: reply.items ?? [], page_token: reply.page_token ?? null } }
}

function pageOf(page: Page): WireMessages {
  return 'messages' in page ? page.messages : page
}
