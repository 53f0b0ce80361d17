import { type Static, type TObject, type TSchema, Type } from 'typebox'
import type { Contract } from '../config.ts'

const Uuid = Type.String({ format: 'uuid' })
const Time = Type.String({ description: 'UTC, with milliseconds.' })

/**
 * A list in a request. No item of a list that is too long is looked at: all that is wrong is told, and of a megabyte of
 * wrong items that would take long.
 */
export function List<Item extends TSchema>(
  items: Item,
  { maxItems, description }: { maxItems: number; description: string },
) {
  return Type.Unsafe<Static<Item>[]>({
    type: 'array',
    description,
    maxItems,
    if: { maxItems },
    // biome-ignore lint/suspicious/noThenProperty: the keyword of JSON Schema.
    then: { items },
  })
}

/** Text or null in an answer: a union would be tried branch by branch for every value that is written. */
export function NullableText(description: string) {
  return Type.Unsafe<string | null>({ type: ['string', 'null'], description })
}

export const UserSummary = Type.Object({ id: Uuid, email: Type.String(), display_name: Type.String() })

export const Profile = Type.Object(
  {
    hidden: Type.Boolean(),
    theme: Type.String({ description: 'day, night or auto.' }),
    magnification: Type.Number({ description: 'From 0.7 to 1.4, in tenths.' }),
    recents: Type.Array(Type.String()),
  },
  { description: 'The settings as they are now.' },
)

const User = Type.Object({
  ...UserSummary.properties,
  confirmed_at: NullableText('When the email address was confirmed.'),
  ...Profile.properties,
})

const Conversation = Type.Object({
  id: Uuid,
  private: Type.Boolean(),
  alias: NullableText('The name of a group.'),
  inserted_at: Time,
  updated_at: Time,
  last_seq: Type.Integer({ description: 'The place of the latest change in its order.' }),
  read_seq: Type.Integer({ description: 'The place up to which the user has read.' }),
  unread: Type.Integer({ description: 'Messages of others after that, of the latest thousand.' }),
})

const Message = Type.Object({
  id: Uuid,
  sender: Uuid,
  content: Type.String({ description: "Encrypted for the caller, by the sender's client." }),
  inserted_at: Time,
  updated_at: Time,
  message_group: Uuid,
  seq: Type.Integer({ description: 'The place of its sending in the order of the conversation.' }),
})

const ChangeEvent = Type.Object({
  event: Type.Enum(['new_message', 'edit_message', 'delete_message']),
  payload: Type.Unsafe<unknown>({ description: 'As it was told on the socket.' }),
})

export const Session = Type.Object({
  id: Uuid,
  kind: Type.Enum(['password', 'whisper']),
  user_agent: NullableText('As the client named itself when it signed in.'),
  ip: NullableText('The address it signed in from.'),
  created_at: Time,
  last_used_at: Time,
  current: Type.Boolean({ description: 'Whether it is the one asking.' }),
})

export const SignIn = Type.Object(
  {
    user: User,
    conversations: Type.Array(Conversation),
    users: Type.Array(UserSummary, { description: "Everyone in the user's conversations but the user." }),
    auth_token: Type.String({ description: 'Good for 30 minutes.' }),
    refresh_token: Type.String({ description: 'Good for two weeks.' }),
  },
  { description: 'The user, everyone and everything the user can talk to, and the tokens.' },
)

/** The answer to what was done. */
export const NoContent = Type.Null({ description: 'Done.' })

/** A body that is one page, in the shape each dialect gives it. */
export function pageSchema(contract: Contract, name: string, item: TSchema): TSchema {
  return PAGES[contract](name, Type.Array(item))
}

/** A page of messages, or the changes that were missed, in the shape each dialect gives them. */
export function historySchema(contract: Contract): TSchema {
  const page = pageSchema(contract, 'messages', Message) as TObject
  return Type.Object(
    {
      ...Type.Partial(page).properties,
      recovered: Type.Optional(
        Type.Boolean({
          description: 'With `after_seq` alone: whether `changes` are here, or a page in their place.',
        }),
      ),
      last_seq: Type.Optional(
        Type.Integer({ description: 'With `after_seq` alone: up to where nothing is missing now.' }),
      ),
      changes: Type.Optional(Type.Array(ChangeEvent, { description: 'In order.' })),
    },
    { description: 'One page, or what was missed.' },
  )
}

const PAGE = { description: 'One page.' }

const PAGES: Record<Contract, (name: string, items: TSchema) => TSchema> = {
  documented: (_name, items) =>
    Type.Object({ items, page_token: NullableText('Null on the last page.') }, PAGE),
  legacy: (name, items) =>
    Type.Object(
      {
        [name]: Type.Object({ items, page_token: Type.String({ description: 'Empty on the last page.' }) }),
      },
      PAGE,
    ),
}

/** The body of every failure. */
export const Failure = Type.Object({
  error: Type.Object({ code: Type.String(), message: Type.String() }),
  errors: Type.Optional(Type.Record(Type.String(), Type.Array(Type.String()))),
})

const FAILURES = {
  400: 'Not JSON, or a token that is unknown, used or expired.',
  401: 'No token, or one that is not good (any more).',
  403: 'Not allowed to this user.',
  404: 'Nothing is there.',
  409: 'Conflicts with what is there.',
  422: 'Fields are missing or not valid: `errors` names them.',
  429: 'Too many: try again after `Retry-After` seconds.',
} as const

/** The failures a route documents; every other one has the same body. */
export function failures(...statuses: (keyof typeof FAILURES)[]): Record<string, TSchema> {
  const described = statuses.map((status) => [status, failure(FAILURES[status])] as const)
  return {
    ...Object.fromEntries(described),
    '4xx': failure('Refused, for the reason given.'),
    '5xx': failure('Failed; 503 is worth another try.'),
  }
}

function failure(description: string): TSchema {
  return { ...Failure, description } as TSchema
}
