import type { Ref } from '../../protocol/messages.ts'
import type { Reply as ReplyHandle } from './channel.ts'

/** What sends the reply: the channel of the push. */
interface ReplyTarget {
  readonly isClosed: boolean
  reply(ref: Ref, status: 'ok' | 'error', response?: unknown): void
}

/** The reply to one push. Only the first one is sent, and none after the channel has ended. */
export class PushReply implements ReplyHandle {
  /** What was replied; `noreply` until then. */
  status: 'ok' | 'error' | 'noreply' = 'noreply'
  readonly #channel: ReplyTarget
  readonly #ref: Ref

  constructor(channel: ReplyTarget, ref: Ref) {
    this.#channel = channel
    this.#ref = ref
  }

  ok(response?: unknown): void {
    this.#send('ok', response)
  }

  error(response?: unknown): void {
    this.#send('error', response)
  }

  #send(status: 'ok' | 'error', response: unknown): void {
    if (this.status !== 'noreply') return
    this.status = status
    if (!this.#channel.isClosed) this.#channel.reply(this.#ref, status, response)
  }
}
