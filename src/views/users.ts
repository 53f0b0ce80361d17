import type { Account, UserSummary } from '../domain/accounts/accounts.ts'

/** A user as other users see them. The email is null where the viewer may not see it. */
export function userSummaryView<Email extends string | null>(
  user: Omit<UserSummary, 'email'> & { email: Email },
) {
  return { id: user.id, email: user.email, display_name: user.displayName, confirmed: user.confirmed }
}

/** A user's own settings. */
export function profileView(account: Account) {
  return { ...settingsView(account), who_can_add: account.whoCanAdd }
}

/** A user's own account. */
export function accountView(account: Account) {
  return {
    ...userSummaryView(account),
    confirmed_at: account.confirmedAt?.toISOString() ?? null,
    ...settingsView(account),
  }
}

/** The settings that are fields of a user. */
function settingsView({ hidden, theme, magnification, recents }: Account) {
  return { hidden, theme, magnification, recents }
}
