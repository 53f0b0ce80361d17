import { escapeHtml } from '../../escape-html.ts'

/** Content of a page. Text is escaped; null, undefined and false become nothing. */
export type Content = Html | string | number | null | undefined | false | readonly Content[]

/** Markup in which all text is escaped. */
export class Html {
  readonly #markup: string

  constructor(markup: string) {
    this.#markup = markup
  }

  toString(): string {
    return this.#markup
  }
}

/** Builds markup. Interpolated text is escaped; attributes must be in double quotes. */
export function html(pieces: TemplateStringsArray, ...contents: Content[]): Html {
  return new Html(String.raw({ raw: pieces }, ...contents.map(markupOf)))
}

function markupOf(content: Content): string {
  if (content === null || content === undefined || content === false) return ''
  if (content instanceof Html) return content.toString()
  if (typeof content === 'object') return content.map(markupOf).join('')
  return escapeHtml(String(content))
}
