import { Type } from 'typebox'

/** A user's own account, and what to do next. */
export const WhisperAccount = Type.Object(
  {
    id: Type.String(),
    email: Type.String(),
    username: Type.String(),
    is_email_verified: Type.Boolean(),
    is_username_set: Type.Boolean({ description: 'Whether the user has chosen the username.' }),
    message: Type.String({ description: 'What to do next.' }),
  },
  { description: 'The account.' },
)

/** What signing in to Whisper answers. */
export const WhisperSignIn = Type.Object(
  {
    id: Type.String(),
    email: Type.String(),
    access: Type.String({ description: 'Good for 30 minutes.' }),
    refresh: Type.String({ description: 'Good for two weeks.' }),
  },
  { description: 'The user, and the tokens.' },
)

/** What the documentation asks for where one needs to be signed in. */
export const WHISPER_SECURITY = [{ accessToken: [] }, { whisperSession: [] }]

/** A page for people. */
export const HtmlPage = {
  description: 'A page.',
  content: { 'text/html': { schema: Type.String() } },
}
