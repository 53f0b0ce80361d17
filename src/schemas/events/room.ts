import { Type } from 'typebox'
import { MEDIA_FORMATS } from '../../media-formats.ts'
import { ClientMessageId } from './fields.ts'

/** The payload of `message`: sends a text to the room. */
export const MessageCommand = Type.Object({
  message: Type.String({ description: 'At most 64 KiB.' }),
  client_message_id: ClientMessageId,
})

/** The payload of `reply`: a text that replies to a message. */
export const ReplyCommand = Type.Object({
  ...MessageCommand.properties,
  previous_message_id: Type.String({ description: 'The message that this one replies to.' }),
})

/** The payload of `typing`. Any other `message` than `typing` means that the user stopped. */
export const TypingCommand = Type.Object({
  message: Type.String({ description: '`typing`; anything else means that the user stopped.' }),
})

/** What a member pushes to `room:<id>` as JSON, by event. */
export const RoomPushes = { message: MessageCommand, reply: ReplyCommand, typing: TypingCommand }

/** The JSON at the start of a binary `media` or `reply`, before `<delimiter>` and the bytes of the file. */
export const MediaMetadata = Type.Object({
  media_format: Type.Optional(
    Type.Enum([...MEDIA_FORMATS], {
      description: 'Decides between audio and video where the bytes can be both.',
    }),
  ),
  client_message_id: ClientMessageId,
})

/** The same for a `reply`. */
export const ReplyMetadata = Type.Object({
  ...MediaMetadata.properties,
  previous_message_id: Type.String({ description: 'The message that the file replies to.' }),
})
