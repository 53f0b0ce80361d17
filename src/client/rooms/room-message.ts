import type { RoomEvents, WireRoomMessage } from '../wire.ts'

/** A message of a room. Rooms are not encrypted. */
export interface RoomMessage {
  id: string
  username: string
  format: 'text' | 'image' | 'audio' | 'video'
  /** Null for media. */
  text: string | null
  /** Where the media is, for an hour; null for texts. */
  url: string | null
  /** The message that this one replies to. */
  replyTo: { id: string | null; content: string | null; username: string | null } | null
}

type WireEvent = RoomEvents['chat.message'] | RoomEvents['chat.media'] | RoomEvents['chat.reply']

/** The message in an event. */
export function messageOfEvent(event: WireEvent): RoomMessage {
  const isText = event.message_format === 'text'
  return {
    id: event.id,
    username: event.username,
    format: isText ? 'text' : event.media_format,
    text: isText ? event.text_content : null,
    url: isText ? null : event.url,
    replyTo: 'is_reply' in event ? previousOf(event) : null,
  }
}

/** The message in a list. */
export function messageOfList(message: WireRoomMessage): RoomMessage {
  const { id, username, message_format: format } = message
  const url = message.image_content ?? message.audio_content ?? message.video_content
  return {
    id,
    username,
    format,
    text: message.text_content,
    url,
    replyTo: message.is_reply ? previousOf(message) : null,
  }
}

function previousOf(reply: {
  previous_message_id: string | null
  previous_message_content: string | null
  previous_sender_username: string | null
}) {
  return {
    id: reply.previous_message_id,
    content: reply.previous_message_content,
    username: reply.previous_sender_username,
  }
}
