import { Type } from 'typebox'
import { component } from './components.ts'
import { Conversation } from './conversations.ts'
import { Id, NullableText, Time } from './fields.ts'
import { User, UserSummary } from './users.ts'

const tokens = {
  auth_token: Type.String({ description: 'The access token. Expires after 30 minutes.' }),
  refresh_token: Type.String({ description: 'Expires after two weeks; each use replaces it.' }),
}

const details = Type.Object({
  user: User,
  conversations: Type.Array(Conversation, { description: 'The newest 500.' }),
  conversations_page_token: NullableText('For the next page of conversations; null if there is none.'),
  users: Type.Array(UserSummary, { description: 'The other members of these conversations.' }),
})

/** The response to a sign-in. */
export const SignIn = component(
  'SignIn',
  Type.Object(
    { ...details.properties, ...tokens },
    { description: "The user, the user's conversations and the tokens." },
  ),
)

/** The response to a refresh. */
export const RefreshedSession = component(
  'RefreshedSession',
  Type.Object(
    { ...Type.Partial(details).properties, ...tokens },
    { description: 'The sign-in response, or only the tokens with `brief`.' },
  ),
)

export const PasswordResetOwner = component(
  'PasswordResetOwner',
  Type.Object(
    { success: Type.Literal(true), user: UserSummary },
    { description: 'The user whose password the token resets.' },
  ),
)

const Session = component(
  'Session',
  Type.Object({
    id: Id,
    kind: Type.Enum(['password', 'whisper']),
    user_agent: NullableText('The `User-Agent` of the sign-in.'),
    ip: NullableText('The address of the sign-in.'),
    created_at: Time,
    last_used_at: Time,
    current: Type.Boolean({ description: 'Whether it is the session of this request.' }),
  }),
)

export const SessionList = component(
  'SessionList',
  Type.Object({ items: Type.Array(Session) }, { description: 'The most recently used first.' }),
)

const AccountEvent = component(
  'AccountEvent',
  Type.Object({
    id: Id,
    kind: Type.String({ description: 'What happened: sign_in, sign_in_failed, password_changed, …' }),
    ip: NullableText('The network address of the client.'),
    user_agent: NullableText('The `User-Agent` of the client.'),
    session_id: Type.Optional(Type.String({ description: 'The session that it concerns.' })),
    count: Type.Optional(
      Type.Integer({ description: 'The number of events, if this one stands for several.' }),
    ),
    created_at: Time,
  }),
)

/** Security events of an account. */
export const AccountEventPage = component(
  'AccountEventPage',
  Type.Object(
    { items: Type.Array(AccountEvent), page_token: NullableText('For the next page.') },
    { description: 'One page.' },
  ),
)
