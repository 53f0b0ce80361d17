import type { Session } from '../session/session.ts'
import type { WireCatchUp, WireMessage, WireMessages } from '../wire.ts'

const PAGE_SIZE = '50'

/** A page, in either dialect. */
type Page = WireMessages | { messages: WireMessages }

/** Reads the messages of a conversation, newest first. */
export async function* readMessages(session: Session, id: string): AsyncGenerator<WireMessage> {
  let pageToken: string | null = null
  do {
    const query = new URLSearchParams({
      conversation_id: id,
      page_size: PAGE_SIZE,
      ...(pageToken && { page_token: pageToken }),
    })
    const page = pageOf(await session.request<Page>('GET', `/api/messages?${query}`))
    yield* page.items
    pageToken = page.page_token
  } while (pageToken)
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
