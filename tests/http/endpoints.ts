/** An endpoint, with a request that is valid except for the ids and tokens in it. */
export interface Endpoint {
  /** The method, and the path as the route declares it, without a slash at the end. */
  line: string
  /** Whether it requires an access token. */
  isPrivate: boolean
  /** Whether it answers 401 without requiring an access token, because it checks other credentials. */
  checksCredentials?: true
  body?: Record<string, unknown>
  query?: Record<string, string>
}

const ID = '01890000-0000-7000-8000-000000000000'
const PASSWORDS = {
  password: 'correct horse battery staple',
  new_password: 'a wholly different sentence',
  new_password_confirmation: 'a wholly different sentence',
}
const JWK = { crv: 'P-256', kty: 'EC', x: 'x'.repeat(43), y: 'y'.repeat(43) }
const KEY_SET = {
  encryption_key: JWK,
  signing_key: JWK,
  locked: 'x.x.x.x.x',
  entry: { payload: 'x', signatures: [{ protected: 'x', signature: 'x' }] },
}
const EMAIL = 'odd@example.com'

/** Every endpoint in the OpenAPI document. The tests of authentication, odd inputs and documentation iterate over it. */
export const ENDPOINTS: Endpoint[] = [
  open('POST /auth/register', { email: EMAIL, password: PASSWORDS.password, display_name: 'Somebody' }),
  withCredentials('POST /auth/login', { email: EMAIL, password: PASSWORDS.password }),
  open('POST /auth/refresh', { token: 'x' }),
  open('POST /auth/confirm', { token: 'x' }),
  open('POST /auth/password/request', { email: EMAIL }),
  open('POST /auth/password/confirm', { token: 'x' }),
  open('POST /auth/password/reset', { token: 'x', ...PASSWORDS }),
  open('POST /api/signout', { token: 'x' }),
  authenticated('POST /api/signout_all', {}),
  authenticated('POST /api/token/email_confirm', {}),
  authenticated('POST /api/token/email_change', {}),
  authenticated('PATCH /api/password', PASSWORDS),
  authenticated('PATCH /api/email', { token: 'x', email: EMAIL, password: PASSWORDS.password }),
  authenticated('PATCH /api/profile', {
    hidden: true,
    theme: 'day',
    magnification: 1,
    recents: ['/a'],
    who_can_add: 'contacts',
  }),
  authenticated('POST /api/recents', { recents: ['/a'] }),
  authenticatedQuery('GET /api/messages', { conversation_id: ID, page_size: '20', page_token: '' }),
  authenticated('POST /api/conversations/:id/attachments', {}),
  authenticated('PATCH /api/conversations/:id/attachments/:attachment_id', {}),
  authenticatedQuery('GET /api/conversations/:id/attachments/:attachment_id', {}),
  authenticated('DELETE /api/conversations/:id/attachments/:attachment_id', {}),
  authenticatedQuery('GET /api/users', { search: 'x', page_size: '20', page_token: '' }),
  authenticatedQuery('GET /api/conversations', { page_size: '20', page_token: '' }),
  authenticatedQuery('GET /api/conversations/:id/keys', {}),
  authenticatedQuery('GET /api/conversations/private/:user_id', {}),
  authenticatedQuery('GET /api/keys', {}),
  authenticated('PUT /api/keys', KEY_SET),
  authenticated('POST /api/keys/query', { user_ids: [ID], known_versions: { [ID]: 1 } }),
  authenticatedQuery('GET /api/keys/:user_id/history', { after_version: '1' }),
  authenticatedQuery('GET /api/account/data', {}),
  authenticatedQuery('GET /api/account/data/:name', {}),
  authenticated('PUT /api/account/data/:name', { data: 'x' }),
  authenticated('DELETE /api/account/data/:name', {}),
  authenticatedQuery('GET /api/account/activity', { page_size: '20', page_token: '' }),
  authenticatedQuery('GET /api/sessions', {}),
  authenticated('DELETE /api/sessions/:id', {}),
  open('POST /api/v1/user/register', { email: EMAIL, username: 'Somebody' }),
  page('GET /api/v1/user/register/deny/:token'),
  open('POST /api/v1/user/register/deny/:token', {}),
  open('POST /api/v1/user/verify-email/begin', { email: EMAIL }),
  page('GET /api/v1/user/verify-email/complete/:token'),
  open('POST /api/v1/user/verify-email/complete/:token', {}),
  open('POST /api/v1/user/login', { email: EMAIL }),
  withCredentials('POST /api/v1/user/refresh', { refresh: 'x' }),
  page('GET /api/v1/user/totp/verify'),
  withCredentials('POST /api/v1/user/totp/verify', { otp_token: '123456' }),
  authenticated('POST /api/v1/user/totp-device/create', {}),
  authenticated('POST /api/v1/user/qr-code', {}),
  authenticated('POST /api/v1/user/totp-device/verify', { otp_token: '123456' }),
  authenticated('DELETE /api/v1/user/totp-device', { otp_token: '123456' }),
  authenticated('POST /api/v1/user/totp-device/recovery-codes', { otp_token: '123456' }),
  page('GET /api/v1/user/social/begin/:backend'),
  {
    ...page('GET /api/v1/user/social/complete/:backend'),
    checksCredentials: true,
    query: { state: 'x', code: 'x', error: 'x', iss: 'x' },
  },
  authenticatedQuery('GET /api/v1/chat/room-list', { limit: '20', before: 'x' }),
  authenticated('POST /api/v1/chat/room-list', { room_name: 'Chamber', user_ids: [ID] }),
  authenticated('POST /api/v1/chat/rooms/:room_id/users', { user_ids: [ID] }),
  authenticated('DELETE /api/v1/chat/rooms/:room_id/users/:user_id', {}),
  authenticatedQuery('GET /api/v1/chat/home/:room_id', { cursor: 'x' }),
  authenticated('POST /api/v1/chat/rooms/:room_id/media', {}),
  { ...page('GET /api/v1/chat/media/:id'), query: { expires: '2000000000', signature: 'x' } },
]

/** The method and a path of an endpoint. Each path parameter gets the same value. */
export function lineOf({ line }: Endpoint, parameter = ID): string {
  return line.replaceAll(/:\w+/g, () => parameter)
}

function open(line: string, body: Record<string, unknown>): Endpoint {
  return { line, isPrivate: false, body }
}

function withCredentials(line: string, body: Record<string, unknown>): Endpoint {
  return { line, isPrivate: false, checksCredentials: true, body }
}

function page(line: string): Endpoint {
  return { line, isPrivate: false }
}

function authenticated(line: string, body: Record<string, unknown>): Endpoint {
  return { line, isPrivate: true, body }
}

function authenticatedQuery(line: string, query: Record<string, string>): Endpoint {
  return { line, isPrivate: true, query }
}
