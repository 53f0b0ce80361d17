/** What may stand between the pieces of a page: text is escaped, nothing at all leaves no trace. */
export type Content = Html | string | number | null | undefined | false | readonly Content[]

/** Markup that is safe to send. */
export class Html {
  readonly #markup: string

  constructor(markup: string) {
    this.#markup = markup
  }

  toString(): string {
    return this.#markup
  }
}

/** Builds markup; what is put into it is escaped unless it is markup itself. Attributes stand in double quotes. */
export function html(pieces: TemplateStringsArray, ...contents: Content[]): Html {
  return new Html(String.raw({ raw: pieces }, ...contents.map(markupOf)))
}

/** The text with the characters that mean something in HTML replaced. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character]!)
}

const ENTITIES: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

function markupOf(content: Content): string {
  if (content === null || content === undefined || content === false) return ''
  if (content instanceof Html) return content.toString()
  if (typeof content === 'object') return content.map(markupOf).join('')
  return escapeHtml(String(content))
}
