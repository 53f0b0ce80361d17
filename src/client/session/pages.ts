import type { Session } from './session.ts'

/** Reads a list page by page, as the pages are needed. `pageOf` takes the page out of a response. */
export async function* readPages<Response, Page extends { page_token: string | null }>(
  session: Session,
  path: string,
  parameters: Record<string, string>,
  pageOf: (response: Response) => Page,
): AsyncGenerator<Page, void, undefined> {
  let pageToken: string | null = null
  do {
    const query = new URLSearchParams({ ...parameters, ...(pageToken && { page_token: pageToken }) })
    const page: Page = pageOf(await session.request<Response>('GET', `${path}?${query}`))
    yield page
    pageToken = page.page_token
  } while (pageToken)
}
