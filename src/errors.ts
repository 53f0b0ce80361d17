/** Every expected failure: the code a client can be told, the HTTP status it has there, and its sentence. */
const CODES = {
  // Requests
  malformed_json: [400, 'The request body is not valid JSON.'],
  bad_request: [400, 'The request could not be understood.'],
  invalid_token: [400, 'Invalid token'],
  invalid_page_token: [400, 'The page token is not valid for this query.'],
  token_missing: [401, 'Authentication token is missing.'],
  token_invalid: [401, 'Authentication token is invalid.'],
  token_expired: [401, 'Authentication token is expired.'],
  invalid_credentials: [401, 'Invalid email and/or password'],
  session_expired: [401, 'Session expired. Kindly login again.'],
  totp_required: [401, 'A code of the authenticator app is needed too.'],
  otp_invalid: [
    401,
    'The code is not valid (any more). After too many wrong ones, only a letter to the address opens the way again.',
  ],
  totp_missing: [404, 'No authenticator app is being set up.'],
  totp_confirmed: [409, 'The authenticator app is set up already.'],
  login_needed: [401, 'Begin by signing in with an email address.'],
  email_not_proved: [403, 'Prove first, by a letter, that the email address is yours.'],
  cross_origin: [403, 'This must be sent by a page of this site.'],
  forbidden: [403, 'This is not allowed.'],
  not_found: [404, 'Nothing was found here.'],
  conflict: [409, 'This conflicts with what is already there.'],
  payload_too_large: [413, 'The request is too large.'],
  unsupported_media_type: [415, 'Send the body as application/json.'],
  validation_failed: [422, 'Some fields are not valid.'],
  rate_limited: [429, 'Too many requests. Try again later.'],
  busy: [503, 'The server is busy. Try again in a moment.'],
  // Signing in with another provider
  provider_not_configured: [404, 'Signing in with this provider is not set up on this server.'],
  sign_in_not_begun: [400, 'This sign-in was not begun in this browser, or too long ago. Begin again.'],
  sign_in_cancelled: [403, 'The sign-in was cancelled at the provider.'],
  sign_in_refused: [400, 'The provider did not prove who you are. Begin again.'],
  email_unverified: [403, 'The provider has not verified your email address.'],
  email_unconfirmed: [409, 'The email address of this account is not confirmed yet. Confirm it first.'],
  identity_taken: [409, 'The account of this email address belongs to another identity.'],
  totp_setup_required: [401, 'Complete 2FA setup.'],
  provider_unavailable: [503, 'The provider does not answer as it should. Try again in a moment.'],
  // Media
  malformed_upload: [400, 'The body is not a whole upload as multipart/form-data.'],
  media_too_large: [413, 'The file is too large.'],
  range_not_satisfiable: [416, 'The file ends before this range begins.'],
  media_refused: [422, 'Only images, sounds and films that browsers play can be sent.'],
  media_mismatch: [422, 'The file is not of the format that was named.'],
  media_quota_used: [429, 'You have sent as much as fits in a day. Try again later.'],
  media_link_invalid: [403, 'This link is not valid, or it has expired.'],
  // Rules of the chat (contract of the socket)
  unauthorized: [403, 'This is not allowed.'],
  no_conversation: [403, 'You are not a member of this conversation.'],
  conversation_already_exists: [409, 'This private conversation already exists.'],
  incorrect_num_users: [422, 'A private conversation is between two people.'],
  users_not_found: [422, 'Some of these users do not exist.'],
  too_many_members: [422, 'A conversation has at most 500 members.'],
  private_conversation: [422, 'This cannot be done in a private conversation.'],
  not_enough_recipients: [422, 'The message is missing for some members.'],
  too_many_recipients: [422, 'The message is addressed to people who are not members.'],
  not_sender: [403, 'Only its sender can change a message.'],
  no_message: [404, 'This message does not exist.'],
  no_room: [404, 'There is no such room.'],
  not_member: [403, 'You are not a member of this room.'],
  room_exists: [409, 'A room with this name already exists.'],
  creator_stays: [409, 'The creator of a room stays in it.'],
  keys_already_set: [409, 'The encryption keys are already set.'],
  name_unchanged: [422, 'This is already the display name.'],
} as const satisfies Record<string, readonly [status: number, message: string]>

export type ErrorCode = keyof typeof CODES

/** Messages per field of a rejected input, keyed by the field's wire name. */
export type FieldErrors = Record<string, string[]>

interface ErrorDetails {
  /** Replaces the code's own sentence. */
  message?: string
  fields?: FieldErrors
  retryAfterMs?: number
  cause?: unknown
}

/** An expected failure: thrown where a rule is broken, told to the client by its code. Anything else thrown is a bug. */
export class AppError extends Error {
  readonly code: ErrorCode
  readonly fields: FieldErrors | undefined
  readonly retryAfterMs: number | undefined

  constructor(code: ErrorCode, details: ErrorDetails = {}) {
    super(details.message ?? CODES[code][1], { cause: details.cause })
    this.name = 'AppError'
    this.code = code
    this.fields = details.fields
    this.retryAfterMs = details.retryAfterMs
  }

  /** The HTTP status of this failure. */
  get status(): number {
    return CODES[this.code][0]
  }
}

/** A 422 for one field: `errors: {field: [message]}`. */
export function invalidField(field: string, message: string): AppError {
  return new AppError('validation_failed', { fields: { [field]: [message] } })
}
