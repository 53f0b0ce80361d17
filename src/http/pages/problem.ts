import { html } from './html.ts'
import type { Page } from './layout.ts'

/** What to show where there is nothing to show. */
export function problemPage(message: string): Page {
  return {
    title: 'That did not work',
    main: html`<h1>That did not work</h1>
<p>${message}</p>
<a class="button wide" href="/whisper">To the beginning</a>`,
  }
}
