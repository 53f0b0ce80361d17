import type { Json } from '../../support/phoenix.ts'

/** What one device knows of one room: the messages it heard and those it read, each once. */
export class RoomView {
  readonly id: string
  readonly texts = new Map<string, string>()
  /** What came live over each connection, in its order, and when. */
  readonly heard: { id: string; at: number }[][] = [[]]
  /** How many were said to be there, last. */
  online: number | undefined
  /** What was known when nothing was missing, last. */
  #complete = new Set<string>()
  /** Whether nothing is missing: what was said before the connection was read, and the rest is heard. */
  #isComplete = false
  readonly #breach: (what: string, messageId: string) => void

  constructor(id: string, breach: (what: string, messageId: string) => void) {
    this.id = id
    this.#breach = breach
  }

  disconnected(): void {
    if (this.#isComplete) this.#complete = new Set(this.texts.keys())
    this.#isComplete = false
    this.online = undefined
    this.heard.push([])
  }

  hear({ id, text_content: text }: Json, at: number): void {
    const heard = this.heard.at(-1)
    if (heard?.some((one) => one.id === id)) this.#breach('came twice over the same connection', id)
    heard?.push({ id, at })
    this.texts.set(id, text)
  }

  /** The page before what was read. @returns whether what is older was known, and nothing is missing now. */
  read(page: Json[], isFirst: boolean): boolean {
    for (const { id, text_content: text } of page) this.texts.set(id, text)
    this.#isComplete = isFirst || page.some(({ id }) => this.#complete.has(id))
    return this.#isComplete
  }
}
