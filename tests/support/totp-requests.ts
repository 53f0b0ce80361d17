/** A code of six digits that no authenticator app of the tests shows. */
export const WRONG_CODE = '000000'

/** The requests that set up an authenticator app. */
export const SET_UP_REQUESTS = [
  ['POST totp-device/create/', {}],
  ['POST qr-code/', {}],
  ['POST totp-device/verify/', { otp_token: WRONG_CODE }],
] as const

/** The requests that change the authenticator app or the recovery codes of an account. */
export const FACTOR_REQUESTS = [
  ...SET_UP_REQUESTS,
  ['DELETE totp-device/', { otp_token: WRONG_CODE }],
  ['POST totp-device/recovery-codes/', { otp_token: WRONG_CODE }],
] as const
