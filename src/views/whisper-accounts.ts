import type { Account } from '../domain/accounts.ts'

/** A user's own account in Whisper, and what to do next. */
export function whisperAccountView(
  { shortId, email, username, confirmedAt, isUsernameSet }: Account,
  message: string,
) {
  return {
    id: shortId,
    email,
    username,
    is_email_verified: confirmedAt !== null,
    is_username_set: isUsernameSet,
    message,
  }
}

/** What signing in to Whisper answers. */
export function whisperSignInView(
  { shortId, email }: Account,
  tokens: { accessToken: string; refreshToken: string },
) {
  return { id: shortId, email, access: tokens.accessToken, refresh: tokens.refreshToken }
}

/** A user's authenticator app. */
export function totpDeviceView<Confirmed extends boolean>({ shortId, email }: Account, confirmed: Confirmed) {
  return { user: shortId, name: email, confirmed }
}
