import { Type } from 'typebox'
import { MEDIA_FORMATS } from '../../domain/media/media-types.ts'
import { Uuid } from '../fields.ts'

/** The payload of `message`: sends a text to the room. */
export const MessageCommand = Type.Object({
  message: Type.String(),
  client_message_id: Type.Optional(Uuid()),
})

/** The payload of `reply`: a text that replies to a message. */
export const ReplyCommand = Type.Object({
  ...MessageCommand.properties,
  previous_message_id: Type.String(),
})

/** The payload of `typing`. Any other `message` than `typing` means that the user stopped. */
export const TypingCommand = Type.Object({ message: Type.String() })

/** What a member pushes to `room:<id>` as JSON, by event. */
export const RoomPushes = { message: MessageCommand, reply: ReplyCommand, typing: TypingCommand }

/** The JSON at the start of a binary `media` or `reply`, before `<delimiter>` and the bytes of the file. */
export const MediaMetadata = Type.Object({
  media_format: Type.Optional(
    Type.Enum([...MEDIA_FORMATS], {
      description: 'Decides between audio and video where the bytes can be both.',
    }),
  ),
  client_message_id: Type.Optional(Uuid()),
})

/** The same for a `reply`. */
export const ReplyMetadata = Type.Object({
  ...MediaMetadata.properties,
  previous_message_id: Type.String({ description: 'The message that the file replies to.' }),
})
