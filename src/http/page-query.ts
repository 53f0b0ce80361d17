import { type Static, Type } from 'typebox'
import { PageSizeText, Text } from '../validation.ts'

/** The query parameters of every list that comes in pages. */
export const PageQuery = Type.Object({
  page_token: Type.Optional(Text({ description: 'From the page before; absent or empty for the first.' })),
  page_size: Type.Optional(PageSizeText),
})

const DEFAULT_PAGE_SIZE = 20

/** Which page is asked for. */
export function readPageQuery(query: Static<typeof PageQuery>): { pageSize: number; pageToken?: string } {
  const { page_token: pageToken, page_size: pageSize } = query
  return {
    pageSize: pageSize === undefined ? DEFAULT_PAGE_SIZE : Number(pageSize),
    ...(pageToken && { pageToken }),
  }
}
