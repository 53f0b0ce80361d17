import { Type } from 'typebox'
import { component, componentByContract } from './components.ts'
import { Id, NullableText } from './fields.ts'
import { pageOf } from './pages.ts'

const summary = {
  id: Id,
  email: Type.String(),
  display_name: Type.String(),
  confirmed: Type.Boolean({ description: 'Whether the email was ever verified.' }),
}

export const UserSummary = component('UserSummary', Type.Object(summary))

/** A user in the directory: the address may be hidden. */
export const DirectoryUser = component(
  'DirectoryUser',
  Type.Object({
    ...summary,
    email: NullableText(
      'Null for users who share no conversation or room with the caller, with `DIRECTORY=members`.',
    ),
  }),
)

/** A page of the user directory. */
export const UserPage = componentByContract('UserPage', (contract) =>
  pageOf(contract, 'users', DirectoryUser),
)

const settings = {
  hidden: Type.Boolean(),
  theme: Type.String({ description: 'day, night or auto.' }),
  magnification: Type.Number({ description: 'From 0.7 to 1.4, with one decimal.' }),
  recents: Type.Array(Type.String()),
}

/** The user's own account. */
export const User = component(
  'User',
  Type.Object({ ...summary, confirmed_at: NullableText('When the email was confirmed.'), ...settings }),
)

export const Profile = component(
  'Profile',
  Type.Object(
    {
      ...settings,
      who_can_add: Type.String({
        description: 'Who may add the user to conversations and rooms: everyone, contacts or nobody.',
      }),
    },
    { description: 'The current settings.' },
  ),
)
