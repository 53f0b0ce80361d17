import { html } from './html.ts'
import type { Page } from './layout.ts'

/** An error of a request. */
interface Problem {
  code: string
  message: string
}

const TITLES: Record<number, string> = {
  403: 'No access',
  404: 'Page not found',
  429: 'Too many requests',
}

/** What a page says instead of the message of the API, which is as short as its clients need it. */
const TEXTS: Record<string, string> = {
  not_found: 'There is no page at this address, or you have no access to it. Check the link.',
  rate_limited: 'Wait a moment, then load the page again.',
  internal_error: 'The page could not be loaded. Try again later.',
}

/** An error page: what went wrong, what to do, and a link to the start page. */
export function problemPage(status: number, { code, message }: Problem): Page {
  const title = TITLES[status] ?? (status >= 500 ? 'Server error' : 'Something went wrong')
  return {
    title,
    main: html`<h1>${title}</h1>
<p>${TEXTS[code] ?? message}</p>
<a class="button wide" href="/whisper">Go to the start page</a>`,
  }
}
