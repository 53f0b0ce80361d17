import type { Account } from '../domain/accounts/accounts.ts'

/** A user's own account in Whisper, with a message about the next step. */
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

/** The response to a Whisper sign-in. */
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
