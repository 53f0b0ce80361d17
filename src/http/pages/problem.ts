import { html } from './html.ts'
import type { Page } from './layout.ts'

const TITLES: Record<number, string> = {
  403: 'No access',
  404: 'Not found',
  429: 'Too many requests',
}

/** An error page: the error as a sentence, and a way back. */
export function problemPage(status: number, message: string): Page {
  const title = TITLES[status] ?? (status >= 500 ? 'Server error' : 'Something went wrong')
  return {
    title,
    main: html`<h1>${title}</h1>
<p>${message}</p>
<a class="button wide" href="/whisper">Go to the start page</a>`,
  }
}
