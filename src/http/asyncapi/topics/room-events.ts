import type { RoomSocketEvents } from '../../../schemas/events/room-events.ts'
import type { EventDetails } from '../description.ts'
import { ROOM_MESSAGE } from '../samples.ts'

const head = { id: ROOM_MESSAGE }
const tail = { username: 'ann', created: 'Oct. 18, 2026', time: '12:00 PM' }
const media = {
  media_format: 'image' as const,
  message_format: 'media' as const,
  filename: 'image-4pT8.png',
  url: 'https://chat.example.com/media/4pT8?expires=1767229200&signature=…',
}
const previous = {
  is_reply: true as const,
  previous_message_id: 'h2Jd_9sKqLmN4vB7xC1zR',
  previous_message_content: 'Who comes on Sunday?',
  previous_message_type: 'text',
  previous_sender_username: 'bob',
}

/** Descriptions of the events of a room, on both kinds of socket. */
export const EVENT_DETAILS: {
  [Event in keyof typeof RoomSocketEvents]: EventDetails<(typeof RoomSocketEvents)[Event]>
} = {
  'chat.message': {
    summary: 'A text was sent.',
    examples: [
      { type: 'chat.message', ...head, text_content: 'Hello, World!', message_format: 'text', ...tail },
    ],
  },
  'chat.media': {
    summary: 'A file was sent.',
    examples: [{ type: 'chat.media', ...head, ...media, ...tail }],
  },
  'chat.reply': {
    summary: 'A text or a file was sent that replies to a message.',
    examples: [
      {
        type: 'chat.reply',
        ...head,
        text_content: 'I do!',
        message_format: 'text',
        reply_format: 'text',
        ...previous,
        ...tail,
      },
      { type: 'chat.reply', ...head, ...media, reply_format: 'media', ...previous, ...tail },
    ],
  },
  'chat.typing': {
    summary: 'A member types, or no longer types.',
    examples: [
      { type: 'chat.typing', username: 'ann', content: 'ann is typing...' },
      { type: 'chat.typing', username: 'ann', content: null },
    ],
  },
  'chat.active': {
    summary: 'How many members are online: after the connection or the join, and on every change.',
    examples: [{ type: 'chat.active', content: 2 }],
    kind: 'both',
  },
  'chat.notification': {
    summary: 'A user was added to the room, or removed.',
    examples: [{ type: 'chat.notification', content: 'bob was added to the chat.' }],
  },
  'chat.error': {
    summary: 'A frame was rejected. Only its sender receives it, and nothing is closed.',
    examples: [{ type: 'chat.error', content: 'This message does not exist.' }],
  },
}
