import type { RefreshDetails, SignInDetails } from '../domain/accounts/accounts.ts'
import { listedConversationView } from './conversations.ts'
import type { Dialect } from './dialect.ts'
import { accountView, userSummaryView } from './users.ts'

type TokenPair = { accessToken: string; refreshToken: string }

/** The response to a sign-in: the account, its conversations, other users, and the tokens. */
export function signInView(
  dialect: Dialect,
  { account, conversations, conversationsPageToken, users }: SignInDetails | RefreshDetails,
  tokens: TokenPair,
) {
  return {
    user: accountView(account),
    conversations: conversations.map((conversation) => listedConversationView(dialect, conversation)),
    conversations_page_token: conversationsPageToken,
    users: users.map(userSummaryView),
    ...tokensView(tokens),
  }
}

/** The tokens of a session. */
export function tokensView({ accessToken, refreshToken }: TokenPair) {
  return { auth_token: accessToken, refresh_token: refreshToken }
}
