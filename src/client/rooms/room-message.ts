import type { RoomEvents, WireRoomMessage } from '../wire.ts'

/** A message of a room. */
export interface RoomMessage {
  id: string
  type: WireRoomMessage['message_format']
  /** Null for media. */
  text: string | null
  /** Where media can be fetched for an hour, without a token; null for texts. */
  url: string | null
  /** The username of the sender. */
  sender: string
  /** What it replies to. `text` is `IMAGE`, `AUDIO` or `VIDEO` for media. */
  replyTo: { id: string; text: string | null; sender: string | null } | null
  /** When it was sent, to the minute. */
  sentAt: Date
}

/** An event that carries a message. */
export type RoomMessageEvent = RoomEvents['chat.message' | 'chat.media' | 'chat.reply']

interface Reply {
  previous_message_id: string | null
  previous_message_content: string | null
  previous_sender_username: string | null
}

/** The message of an event. */
export function messageOfEvent(event: RoomMessageEvent): RoomMessage {
  const isMedia = event.message_format === 'media'
  return {
    id: event.id,
    type: isMedia ? event.media_format : 'text',
    text: isMedia ? null : event.text_content,
    url: isMedia ? event.url : null,
    sender: event.username,
    replyTo: 'is_reply' in event ? replyOf(event) : null,
    sentAt: parseTime(event.created, event.time),
  }
}

/** The message of a list. */
export function messageOfList(message: WireRoomMessage): RoomMessage {
  return {
    id: message.id,
    type: message.message_format,
    text: message.text_content,
    url: message.image_content ?? message.audio_content ?? message.video_content,
    sender: message.username,
    replyTo: replyOf(message),
    sentAt: parseTime(message.date, message.time),
  }
}

function replyOf(reply: Reply): RoomMessage['replyTo'] {
  const { previous_message_id: id, previous_message_content: text, previous_sender_username: sender } = reply
  return id === null ? null : { id, text, sender }
}

/** A time like `Oct. 18, 2026` and `12:34 PM` or `12:34 p.m.`, in UTC. */
function parseTime(date: string, time: string): Date {
  return new Date(`${date.replace('.', '')} ${time.replaceAll('.', '').toUpperCase()} UTC`)
}
