import { type TSchema, Type } from 'typebox'
import { MediaMetadata, ReplyMetadata, RoomPushes } from '../../../schemas/events/room.ts'
import { RoomSocketEvents } from '../../../schemas/events/room-events.ts'
import { describeEvents, type PushDescription, type TopicDescription } from '../description.ts'
import { CLIENT_MESSAGE, ROOM, ROOM_MESSAGE } from '../samples.ts'
import { EVENT_DETAILS } from './room-events.ts'

/** Describes `/ws/chat/<room_id>/`. */
export function describeRoomSocket(): TopicDescription {
  return {
    key: 'roomSocket',
    address: '/ws/chat/{room_id}/',
    exampleTopic: `/ws/chat/${ROOM}/`,
    title: 'One room over a WebSocket of its own',
    description:
      'A WebSocket for members of the room. Frames are plain JSON objects, without the envelope of the multiplexed socket and ' +
      'without replies: what is sent comes back as it is broadcast to everyone, and errors come as `chat.error`.',
    parameters: { room_id: 'The id of the room: 21 characters of `A-Za-z0-9_-`.' },
    server: 'roomSocket',
    token: 'none',
    pushes: [
      frame('message', 'Sends a text.', commandOf('message'), {
        message: 'Hello, World!',
        client_message_id: CLIENT_MESSAGE,
      }),
      frame('reply', 'Sends a text that replies to a message.', commandOf('reply'), {
        message: 'Hello back!',
        previous_message_id: ROOM_MESSAGE,
      }),
      frame(
        'typing',
        'The user types; any `message` but `typing` means that they stopped.',
        commandOf('typing'),
        {
          message: 'typing',
        },
      ),
      file('media', 'Sends an image, audio or video.', MediaMetadata, { media_format: 'image' }),
      file('reply', 'Sends a file that replies to a message.', ReplyMetadata, {
        media_format: 'image',
        previous_message_id: ROOM_MESSAGE,
      }),
    ],
    events: describeEvents(RoomSocketEvents, EVENT_DETAILS),
  }
}

const NO_REPLY = { reply: undefined, replyExamples: [], errors: undefined }

function commandOf(type: keyof typeof RoomPushes): TSchema {
  return withType(type, RoomPushes[type])
}

/** The fields of a command, and its name. */
function withType(type: string, { properties }: { properties: Record<string, TSchema> }): TSchema {
  return Type.Object({ message_type: Type.Literal(type), ...properties })
}

function frame(event: string, summary: string, payload: TSchema, fields: object): PushDescription {
  return { event, summary, payload, examples: [{ message_type: event, ...fields }], ...NO_REPLY }
}

function file(
  event: 'media' | 'reply',
  summary: string,
  metadata: { properties: Record<string, TSchema> },
  fields: object,
): PushDescription {
  return {
    key: `${event}_file`,
    event,
    summary,
    payload: Type.String({
      description: 'A binary frame: a JSON object, the characters `<delimiter>`, and the bytes of the file.',
    }),
    contentType: 'application/octet-stream',
    metadata: withType(event, metadata),
    examples: [`${JSON.stringify({ message_type: event, ...fields })}<delimiter>…the bytes of the file…`],
    ...NO_REPLY,
  }
}
