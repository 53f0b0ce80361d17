/** Every expected failure: its code, which clients see, its HTTP status and its message. */
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
  totp_required: [401, 'Enter a code from your authenticator app, or a recovery code.'],
  otp_invalid: [
    401,
    'The code or the password is not valid. After too many wrong codes, verify your email address again to continue.',
  ],
  password_required: [401, 'This account also requires its password.'],
  reauthentication_required: [403, 'Sign in again: this requires a sign-in within the last ten minutes.'],
  totp_missing: [404, 'There is no authenticator app for this request.'],
  totp_confirmed: [409, 'An authenticator app is already set up.'],
  login_needed: [401, 'Sign in with your email address first.'],
  email_not_proved: [403, 'Verify your email address first.'],
  cross_origin: [403, 'This request must come from a page of this site.'],
  forbidden: [403, 'This is not allowed.'],
  not_found: [404, 'Not found.'],
  conflict: [409, 'This conflicts with existing data.'],
  precondition_failed: [412, 'This was changed in the meantime: read it again.'],
  payload_too_large: [413, 'The request is too large.'],
  unsupported_media_type: [415, 'Send the body as application/json.'],
  validation_failed: [422, 'Some fields are not valid.'],
  precondition_required: [428, 'Send If-Match with the version that is replaced, or If-None-Match: *.'],
  rate_limited: [429, 'Too many requests. Try again later.'],
  busy: [503, 'The server is busy. Try again in a moment.'],
  // Signing in with another provider
  provider_not_configured: [404, 'Sign-in with this provider is not configured on this server.'],
  sign_in_not_begun: [400, 'This sign-in has expired or was started in another browser. Start again.'],
  sign_in_cancelled: [403, 'The sign-in was cancelled at the provider.'],
  sign_in_refused: [400, 'The provider did not confirm your identity. Start again.'],
  email_unverified: [403, 'The provider has not verified your email address.'],
  email_unconfirmed: [409, 'Confirm the email address of your account first.'],
  identity_taken: [409, 'The account with this email address is linked to another identity.'],
  totp_setup_required: [401, 'Complete 2FA setup.'],
  provider_unavailable: [503, 'The provider is not available. Try again in a moment.'],
  // Media
  malformed_upload: [400, 'The body is not a complete multipart/form-data upload.'],
  media_too_large: [413, 'The file is too large.'],
  range_not_satisfiable: [416, 'The requested range starts after the end of the file.'],
  media_refused: [422, 'Only images, audio and videos that browsers can play are accepted.'],
  media_mismatch: [422, 'The file does not have the given format.'],
  media_quota_used: [429, 'You have reached the daily upload limit. Try again later.'],
  media_link_invalid: [403, 'This link is not valid or has expired.'],
  // Keys and data of an account
  no_keys: [404, 'This account has no keys.'],
  too_many_names: [422, 'An account stores data under at most 16 names.'],
  // Attachments
  no_attachment: [404, 'This attachment does not exist.'],
  upload_offset_mismatch: [409, 'The upload continues at another offset. Ask for it with HEAD.'],
  upload_stalled: [408, 'No bytes arrived for too long. Resume the upload.'],
  tus_version_unsupported: [412, 'This server supports version 1.0.0 of the tus protocol.'],
  attachment_too_large: [413, 'The attachment is too large.'],
  upload_locked: [423, 'This attachment is being uploaded. Try again later.'],
  attachment_quota_used: [429, 'You have reached the daily limit of attachments. Try again later.'],
  // Rules of the chat
  unauthorized: [403, 'This is not allowed.'],
  no_conversation: [403, 'You are not a member of this conversation.'],
  conversation_already_exists: [409, 'This private conversation already exists.'],
  incorrect_num_users: [422, 'A private conversation is between two people.'],
  users_not_found: [422, 'Some of these users do not exist.'],
  not_allowed_to_add: [403, 'Some of these users do not allow you to add them.'],
  too_many_members: [422, 'A conversation has at most 500 members.'],
  private_conversation: [422, 'This is not possible in a private conversation.'],
  not_enough_recipients: [422, 'The message has no copy for some members.'],
  too_many_recipients: [422, 'The message has copies for users who are not members.'],
  not_sender: [403, 'Only the sender can change a message.'],
  no_message: [404, 'This message does not exist.'],
  no_room: [404, 'This room does not exist.'],
  not_member: [403, 'You are not a member of this room.'],
  room_exists: [409, 'A room with this name already exists.'],
  creator_stays: [409, 'The creator of a room cannot be removed from it.'],
  keys_already_set: [409, 'The encryption keys are already set.'],
  name_unchanged: [422, 'This is already the display name.'],
} as const satisfies Record<string, readonly [status: number, message: string]>

export type ErrorCode = keyof typeof CODES

/** Messages for each invalid field, keyed by property name; outputs convert these to snake_case. */
export type FieldErrors = Record<string, string[]>

interface ErrorDetails {
  /** Replaces the message of the code. */
  message?: string
  fields?: FieldErrors
  retryAfterMs?: number
  cause?: unknown
}

/** An expected failure, which clients see by its code. Any other error is a bug. */
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

/** An AppError `validation_failed` for one field. */
export function invalidField(field: string, message: string): AppError {
  return new AppError('validation_failed', { fields: { [field]: [message] } })
}
