import type { Page, PageTokens } from '../shared/pagination.ts'

/** Conversations in the sign-in response, newest first. */
export const MAX_SIGN_IN_CONVERSATIONS = 500

/** The scope of the page tokens for a user's conversations. */
export function conversationScope(userId: string): string[] {
  return ['conversations', userId]
}

/** Creates a page from up to `pageSize + 1` conversations. */
export function pageOfConversations<T extends { id: string }>(
  tokens: PageTokens,
  userId: string,
  found: readonly T[],
  pageSize: number,
): Page<T> {
  return tokens.page(conversationScope(userId), found, pageSize, ({ id }) => id)
}
