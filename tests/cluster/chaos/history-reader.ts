import type { Json } from '../../support/phoenix.ts'
import type { Api } from './api.ts'
import type { Session } from './session.ts'

const PAGE_SIZE = 100

/** Reads changes and history over HTTP. */
export class HistoryReader {
  readonly #api: Api
  readonly #session: Session

  constructor(api: Api, session: Session) {
    this.#api = api
    this.#session = session
  }

  /** The changes of a conversation after a `seq`. Undefined for non-members. */
  changesAfter(id: string, seq: number): Promise<Json | undefined> {
    return this.#get(`/api/messages?conversation_id=${id}&after_seq=${seq}`)
  }

  /** All messages of a conversation, newest first. Undefined for non-members. */
  async historyOf(id: string): Promise<Json[] | undefined> {
    const found: Json[] = []
    for (let token: string | null = ''; token !== null; ) {
      const query = `conversation_id=${id}&page_size=${PAGE_SIZE}${token && `&page_token=${token}`}`
      const page: Json = await this.#get(`/api/messages?${query}`)
      if (!page) return undefined
      found.push(...page.items)
      token = page.page_token
    }
    return found
  }

  /** The pages of a room, newest first. Ends early if the user is no longer a member. The last page has no `previous_messages`. */
  async *pagesOf(roomId: string): AsyncGenerator<Json> {
    for (let path: string | null = `/api/v1/chat/home/${roomId}/`; path; ) {
      const page: Json = await this.#get(path)
      if (!page) return
      yield page
      path = page.previous_messages && relative(page.previous_messages)
    }
  }

  async #get(path: string): Promise<Json | undefined> {
    const { status, body } = await this.#api.call('GET', path, { token: this.#session.token })
    return status === 200 ? body : undefined
  }
}

function relative(url: string): string {
  const { pathname, search } = new URL(url)
  return pathname + search
}
