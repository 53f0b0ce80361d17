import { type Static, Type } from 'typebox'
import { PageSizeText, Text } from '../schemas/fields.ts'

/** The query parameters of paginated lists. */
export const PageQuery = Type.Object({
  page_token: Type.Optional(
    Text({ description: 'The `page_token` of the previous page. Absent or empty for the first page.' }),
  ),
  page_size: Type.Optional(PageSizeText),
})

const DEFAULT_PAGE_SIZE = 20

/** Converts the query parameters; the page size has a default. */
export function readPageQuery(query: Static<typeof PageQuery>): { pageSize: number; pageToken?: string } {
  const { page_token: pageToken, page_size: pageSize } = query
  return {
    pageSize: pageSize === undefined ? DEFAULT_PAGE_SIZE : Number(pageSize),
    ...(pageToken && { pageToken }),
  }
}
