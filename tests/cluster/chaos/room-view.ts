import type { Json } from '../../support/phoenix.ts'

/** What one device knows of one room: the messages it heard and those it read, each once. */
export class RoomView {
  readonly id: string
  readonly texts = new Map<string, string>()
  /** What came live over each connection, in its order. */
  readonly heard: string[][] = [[]]
  /** How many were said to be there, last. */
  online: number | undefined
  readonly #breach: (what: string, messageId: string) => void

  constructor(id: string, breach: (what: string, messageId: string) => void) {
    this.id = id
    this.#breach = breach
  }

  disconnected(): void {
    this.online = undefined
    this.heard.push([])
  }

  hear({ id, text_content: text }: Json): void {
    const heard = this.heard.at(-1) as string[]
    if (heard.includes(id)) this.#breach('came twice over the same connection', id)
    heard.push(id)
    this.texts.set(id, text)
  }

  /** A page of the past. @returns whether all of it was known. */
  read(page: Json[]): boolean {
    const known = page.every(({ id }) => this.texts.has(id))
    for (const { id, text_content: text } of page) this.texts.set(id, text)
    return known
  }
}
