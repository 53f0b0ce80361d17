import { Type } from 'typebox'
import { MEDIA_FORMATS } from '../media-formats.ts'
import { component } from './components.ts'
import { NullableText } from './fields.ts'

/** The `security` of operations that need a sign-in: an access token, or Whisper's cookie. */
export const WHISPER_SECURITY = [{ accessToken: [] }, { whisperSession: [] }]

export const WhisperAccount = component(
  'WhisperAccount',
  Type.Object(
    {
      id: Type.String(),
      email: Type.String(),
      username: Type.String(),
      is_email_verified: Type.Boolean(),
      is_username_set: Type.Boolean({ description: 'Whether the user has chosen the username.' }),
      message: Type.String({ description: 'What to do next.' }),
    },
    { description: 'The account.' },
  ),
)

/** The response to a sign-in to Whisper. */
export const WhisperSignIn = component(
  'WhisperSignIn',
  Type.Object(
    {
      id: Type.String(),
      email: Type.String(),
      access: Type.String({ description: 'The access token. Expires after 30 minutes.' }),
      refresh: Type.String({ description: 'The refresh token. Expires after two weeks.' }),
    },
    { description: 'The user and the tokens.' },
  ),
)

/** `Problem`, with the message at the top level as well, where Whisper's clients look for it. */
export const TotpSetupProblem = component(
  'TotpSetupProblem',
  Type.Object({
    error: Type.Object({ code: Type.String(), message: Type.String() }),
    message: Type.String(),
  }),
)

const device = { user: Type.String(), name: Type.String() }
const recoveryCodes = Type.Array(Type.String(), {
  description: 'Each can be used once instead of a code. They are not shown again.',
})

/** An authenticator app that is being set up. */
export const TotpDevice = component(
  'TotpDevice',
  Type.Object(
    { ...device, confirmed: Type.Literal(false) },
    { description: 'The authenticator app that is being set up.' },
  ),
)

export const ConfirmedTotpDevice = component(
  'ConfirmedTotpDevice',
  Type.Object(
    { ...device, confirmed: Type.Literal(true), message: Type.String(), recovery_codes: recoveryCodes },
    { description: 'The confirmed app. Signing in now requires a code.' },
  ),
)

export const RecoveryCodes = component(
  'RecoveryCodes',
  Type.Object({ recovery_codes: recoveryCodes }, { description: 'The new codes.' }),
)

export const Room = component(
  'Room',
  Type.Object(
    {
      id: Type.String(),
      room_name: Type.String(),
      users: Type.Array(Type.String(), { description: 'The ids of the members.' }),
      creator: Type.String(),
      created: Type.String({ description: 'UTC.' }),
    },
    { description: 'The room as it is now.' },
  ),
)

export const RoomMessage = component(
  'RoomMessage',
  Type.Object({
    id: Type.String(),
    message_format: Type.Enum(['text', ...MEDIA_FORMATS]),
    text_content: NullableText('Null for media.'),
    image_content: NullableText('A URL that expires after an hour.'),
    audio_content: NullableText('A URL that expires after an hour.'),
    video_content: NullableText('A URL that expires after an hour.'),
    is_reply: Type.Boolean(),
    previous_message_id: NullableText('The message that this one replies to.'),
    previous_message_content: NullableText('Its text, or IMAGE, AUDIO or VIDEO.'),
    previous_message_type: NullableText('Its message_format.'),
    previous_sender_username: NullableText('Its sender.'),
    sender: Type.String({ description: 'The id of a user.' }),
    room: Type.String(),
    created: Type.String({ description: 'Like `Oct. 18, 2023, 12:00 p.m.`, in UTC.' }),
    date: Type.String(),
    time: Type.String(),
    username: Type.String(),
  }),
)

/** A page of the messages of a room. */
export const RoomMessagePage = component(
  'RoomMessagePage',
  Type.Object({
    results: Type.Array(RoomMessage, { description: 'At most ten, the newest first.' }),
    previous_messages: NullableText('The URL of the messages before these; null when there are none.'),
  }),
)
