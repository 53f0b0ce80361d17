import { type Static, Type } from 'typebox'
import { MEDIA_FORMATS } from '../../media-formats.ts'
import { eventComponent } from '../components.ts'
import { NullableText } from '../fields.ts'

const head = { id: Type.String({ description: '21 characters of `A-Za-z0-9_-`.' }) }
const tail = {
  username: Type.String({ description: 'The sender.' }),
  created: Type.String({ description: 'Like `Oct. 18, 2026`, in UTC.' }),
  time: Type.String({ description: 'Like `12:34 PM`, in UTC.' }),
}

const text = { text_content: Type.String(), message_format: Type.Literal('text') }

const media = {
  media_format: Type.Enum([...MEDIA_FORMATS]),
  message_format: Type.Literal('media'),
  filename: Type.String({ description: 'A name for the file when it is saved.' }),
  url: Type.String({ description: 'Expires after an hour.' }),
}

const reply = {
  is_reply: Type.Literal(true),
  previous_message_id: NullableText('The message that this one replies to.'),
  previous_message_content: NullableText('Its text, or IMAGE, AUDIO or VIDEO.'),
  previous_message_type: NullableText('text, image, audio or video.'),
  previous_sender_username: NullableText('Its sender.'),
}

/** `chat.message`: a text was sent. */
export const ChatMessageEvent = eventComponent(
  'ChatMessageEvent',
  Type.Object({ type: Type.Literal('chat.message'), ...head, ...text, ...tail }),
)
export type ChatMessageEvent = Static<typeof ChatMessageEvent>

/** `chat.media`: a file was sent. */
export const ChatMediaEvent = eventComponent(
  'ChatMediaEvent',
  Type.Object({ type: Type.Literal('chat.media'), ...head, ...media, ...tail }),
)
export type ChatMediaEvent = Static<typeof ChatMediaEvent>

/** `chat.reply`: a text or a file was sent that replies to a message. */
export const ChatReplyEvent = eventComponent(
  'ChatReplyEvent',
  Type.Union([
    Type.Object({
      type: Type.Literal('chat.reply'),
      ...head,
      ...text,
      reply_format: Type.Literal('text'),
      ...reply,
      ...tail,
    }),
    Type.Object({
      type: Type.Literal('chat.reply'),
      ...head,
      ...media,
      reply_format: Type.Literal('media'),
      ...reply,
      ...tail,
    }),
  ]),
)
export type ChatReplyEvent = Static<typeof ChatReplyEvent>

/** `chat.typing`: a member started or stopped typing. */
export const ChatTypingEvent = eventComponent(
  'ChatTypingEvent',
  Type.Object({
    type: Type.Literal('chat.typing'),
    username: Type.String(),
    content: NullableText('A sentence; null when the member stopped.'),
  }),
)
export type ChatTypingEvent = Static<typeof ChatTypingEvent>

/** `chat.active`: how many members are online. */
export const ChatActiveEvent = eventComponent(
  'ChatActiveEvent',
  Type.Object({ type: Type.Literal('chat.active'), content: Type.Integer({ minimum: 0 }) }),
)
export type ChatActiveEvent = Static<typeof ChatActiveEvent>

/** `chat.notification`: a member was added or removed. */
export const ChatNotificationEvent = eventComponent(
  'ChatNotificationEvent',
  Type.Object({
    type: Type.Literal('chat.notification'),
    content: Type.String({ description: 'One sentence for people.' }),
  }),
)
export type ChatNotificationEvent = Static<typeof ChatNotificationEvent>

/** `chat.error`, on the room socket only: a frame was rejected. */
export const ChatErrorEvent = eventComponent(
  'ChatErrorEvent',
  Type.Object({
    type: Type.Literal('chat.error'),
    content: Type.String({ description: 'One sentence for people.' }),
  }),
)
export type ChatErrorEvent = Static<typeof ChatErrorEvent>

/** What the server sends on `room:<id>`, by event. */
export const RoomEvents = {
  'chat.message': ChatMessageEvent,
  'chat.media': ChatMediaEvent,
  'chat.reply': ChatReplyEvent,
  'chat.typing': ChatTypingEvent,
  'chat.active': ChatActiveEvent,
  'chat.notification': ChatNotificationEvent,
}

/** What the server sends on the room socket, by `type`. */
export const RoomSocketEvents = { ...RoomEvents, 'chat.error': ChatErrorEvent }
