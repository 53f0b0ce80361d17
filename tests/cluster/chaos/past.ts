import type { Json } from '../../support/phoenix.ts'
import type { Api } from './api.ts'
import type { Session } from './session.ts'

const HISTORY_PAGE = 100

/** What a device reads over HTTP: what it has missed, or can make nothing of without the rest. */
export class Past {
  readonly #api: Api
  readonly #session: Session

  constructor(api: Api, session: Session) {
    this.#api = api
    this.#session = session
  }

  /** What happened in a conversation after a place; undefined for somebody who is not in it. */
  changesAfter(id: string, seq: number): Promise<Json | undefined> {
    return this.#get(`/api/messages?conversation_id=${id}&after_seq=${seq}`)
  }

  /** All messages of a conversation, newest first; undefined for somebody who is not in it. */
  async historyOf(id: string): Promise<Json[] | undefined> {
    const found: Json[] = []
    for (let token: string | null = ''; token !== null; ) {
      const query = `conversation_id=${id}&page_size=${HISTORY_PAGE}${token && `&page_token=${token}`}`
      const page: Json = await this.#get(`/api/messages?${query}`)
      if (!page) return undefined
      found.push(...page.items)
      token = page.page_token
    }
    return found
  }

  /** The pages of a room, newest first, for as long as one is in it; the last has no `previous_messages`. */
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
