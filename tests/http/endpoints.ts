/** An endpoint of the API, with a request that is good but for the ids and tokens in it. */
export interface Endpoint {
  /** The method and the path, as a route is written. */
  line: string
  /** Whether it needs an access token. */
  isPrivate: boolean
  /** Whether it may answer 401 though it needs no access token: it looks at other proofs. */
  isDoor?: true
  body?: Record<string, unknown>
  query?: Record<string, string>
}

const ID = '01890000-0000-7000-8000-000000000000'
const PASSWORDS = {
  password: 'correct horse battery staple',
  new_password: 'a wholly different sentence',
  new_password_confirmation: 'a wholly different sentence',
}
const EMAIL = 'odd@example.com'

export const ENDPOINTS: Endpoint[] = [
  open('POST /auth/register', { email: EMAIL, password: PASSWORDS.password, display_name: 'Somebody' }),
  door('POST /auth/login', { email: EMAIL, password: PASSWORDS.password }),
  open('POST /auth/refresh', { token: 'x' }),
  open('POST /auth/confirm', { token: 'x' }),
  open('POST /auth/password/request', { email: EMAIL }),
  open('POST /auth/password/confirm', { token: 'x' }),
  open('POST /auth/password/reset', { token: 'x', ...PASSWORDS }),
  open('POST /api/signout', { token: 'x' }),
  signedIn('POST /api/signout_all', {}),
  signedIn('POST /api/token/email_confirm', {}),
  signedIn('POST /api/token/email_change', {}),
  signedIn('PATCH /api/password', PASSWORDS),
  signedIn('PATCH /api/email', { token: 'x', email: EMAIL, password: PASSWORDS.password }),
  signedIn('PATCH /api/profile', { hidden: true, theme: 'day', magnification: 1, recents: ['/a'] }),
  signedIn('POST /api/recents', { recents: ['/a'] }),
  reading('GET /api/messages', { conversation_id: ID, page_size: '20', page_token: '' }),
  reading('GET /api/users', { search: 'x', page_size: '20', page_token: '' }),
  reading('GET /api/conversations/private/:user_id', {}),
  reading('GET /api/sessions', {}),
  signedIn('DELETE /api/sessions/:id', {}),
  open('POST /api/v1/user/register', { email: EMAIL, username: 'Somebody' }),
  open('POST /api/v1/user/verify-email/begin', { email: EMAIL }),
  page('GET /api/v1/user/verify-email/complete/:token'),
  open('POST /api/v1/user/verify-email/complete/:token', {}),
  open('POST /api/v1/user/login', { email: EMAIL }),
  door('POST /api/v1/user/refresh', { refresh: 'x' }),
  page('GET /api/v1/user/totp/verify'),
  door('POST /api/v1/user/totp/verify', { otp_token: '123456' }),
  signedIn('POST /api/v1/user/totp-device/create', {}),
  signedIn('POST /api/v1/user/qr-code', {}),
  signedIn('POST /api/v1/user/totp-device/verify', { otp_token: '123456' }),
  signedIn('DELETE /api/v1/user/totp-device', { otp_token: '123456' }),
  page('GET /api/v1/user/social/begin/:backend'),
  {
    ...page('GET /api/v1/user/social/complete/:backend'),
    isDoor: true,
    query: { state: 'x', code: 'x', error: 'x', iss: 'x' },
  },
  reading('GET /api/v1/chat/room-list', { limit: '20', before: 'x' }),
  signedIn('POST /api/v1/chat/room-list', { room_name: 'Chamber', user_ids: [ID] }),
  signedIn('POST /api/v1/chat/rooms/:room_id/users', { user_ids: [ID] }),
  signedIn('DELETE /api/v1/chat/rooms/:room_id/users/:user_id', {}),
  reading('GET /api/v1/chat/home/:room_id', { cursor: 'x' }),
  signedIn('POST /api/v1/chat/rooms/:room_id/media', {}),
  { ...page('GET /api/v1/chat/media/:id'), query: { expires: '2000000000', signature: 'x' } },
]

/** The method and a path of an endpoint, with a value for its parameters, if it has any. */
export function lineOf({ line }: Endpoint, parameter = ID): string {
  return line.replaceAll(/:\w+/g, () => parameter)
}

function open(line: string, body: Record<string, unknown>): Endpoint {
  return { line, isPrivate: false, body }
}

function door(line: string, body: Record<string, unknown>): Endpoint {
  return { line, isPrivate: false, isDoor: true, body }
}

function page(line: string): Endpoint {
  return { line, isPrivate: false }
}

function signedIn(line: string, body: Record<string, unknown>): Endpoint {
  return { line, isPrivate: true, body }
}

function reading(line: string, query: Record<string, string>): Endpoint {
  return { line, isPrivate: true, query }
}
