import type { Account, SignInDetails, UserSummary } from '../domain/accounts.ts'
import { listedConversationView } from './conversations.ts'
import type { Dialect } from './dialect.ts'

/** A user as other users see one. */
export function userSummaryView(user: UserSummary) {
  return { id: user.id, email: user.email, display_name: user.displayName }
}

/** A user's own settings. */
export function profileView({ hidden, theme, magnification, recents }: Account) {
  return { hidden, theme, magnification, recents }
}

/** What signing in answers: the user, everyone and everything the user can talk to, and the tokens. */
export function signInView(
  dialect: Dialect,
  { account, conversations, users }: SignInDetails,
  tokens: { accessToken: string; refreshToken: string },
) {
  return {
    user: accountView(account),
    conversations: conversations.map((conversation) => listedConversationView(dialect, conversation)),
    users: users.map(userSummaryView),
    auth_token: tokens.accessToken,
    refresh_token: tokens.refreshToken,
  }
}

function accountView(account: Account) {
  return {
    ...userSummaryView(account),
    confirmed_at: account.confirmedAt?.toISOString() ?? null,
    ...profileView(account),
  }
}
