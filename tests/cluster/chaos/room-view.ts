import type { Json } from '../../support/phoenix.ts'

/** The client-side state of a room: the messages that were received live or read as history. */
export class RoomView {
  readonly id: string
  readonly texts = new Map<string, string>()
  /** The live messages of each connection, in order of arrival. */
  readonly liveMessages: { id: string; at: number }[][] = [[]]
  /** The latest number of connected members. */
  online: number | undefined
  /** The messages that were known when the view was last complete. */
  #completeIds = new Set<string>()
  /** Whether the history up to this connection was read, so that no message is missing. */
  #isComplete = false
  readonly #reportViolation: (what: string, messageId: string) => void

  constructor(id: string, reportViolation: (what: string, messageId: string) => void) {
    this.id = id
    this.#reportViolation = reportViolation
  }

  disconnected(): void {
    if (this.#isComplete) this.#completeIds = new Set(this.texts.keys())
    this.#isComplete = false
    this.online = undefined
    this.liveMessages.push([])
  }

  receive({ id, text_content: text }: Json, at: number): void {
    const messages = this.liveMessages.at(-1)
    if (messages?.some((message) => message.id === id))
      this.#reportViolation('arrived twice on the same connection', id)
    messages?.push({ id, at })
    this.texts.set(id, text)
  }

  /** Adds the next older page. @returns whether the view is complete now. */
  addPage(page: Json[], isFirst: boolean): boolean {
    for (const { id, text_content: text } of page) this.texts.set(id, text)
    this.#isComplete = isFirst || page.some(({ id }) => this.#completeIds.has(id))
    return this.#isComplete
  }
}
