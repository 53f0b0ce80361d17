import type { Room, RoomMessage, RoomUser } from '../domain/rooms/rooms.ts'
import type { Page } from '../domain/shared/pagination.ts'
import { listedTime, roomDate, socketTime } from './room-times.ts'

/** Names stored files for clients. */
export interface MediaNames {
  url(mediaId: string): string
  /** The file name for a download. */
  filename(media: { id: string; contentType: string }): string
}

/** An event of a room, on both kinds of socket. */
export interface RoomEvent {
  type: `chat.${string}`
  [field: string]: unknown
}

/** A room, as any user sees it. */
export function roomView({ id, name, members, creator, insertedAt }: Room) {
  return { id, room_name: name, users: members, creator, created: insertedAt.toISOString() }
}

/** A page of a room's messages, newest first; `previousUrl` returns the URL of the next older page. */
export function roomPageView(
  page: Page<RoomMessage>,
  { media, previousUrl }: { media: Pick<MediaNames, 'url'>; previousUrl: (cursor: string) => string },
) {
  return {
    results: page.items.map((message) => listedMessageView(message, media.url)),
    previous_messages: page.pageToken === null ? null : previousUrl(page.pageToken),
  }
}

/** `chat.message`, `chat.media` or `chat.reply`: a message that was just sent. */
export function sentMessageView(message: RoomMessage, names: MediaNames): RoomEvent {
  const { id, media, previous, sender, insertedAt } = message
  const content = media
    ? {
        media_format: media.format,
        message_format: 'media',
        filename: names.filename(media),
        url: names.url(media.id),
      }
    : { text_content: message.text, message_format: 'text' }
  const answered = previous && {
    is_reply: true,
    reply_format: media ? 'media' : 'text',
    ...previousView(previous),
  }
  return {
    type: previous ? 'chat.reply' : media ? 'chat.media' : 'chat.message',
    id,
    ...content,
    ...answered,
    username: sender.username,
    created: roomDate(insertedAt),
    time: socketTime(insertedAt),
  }
}

/** `chat.notification`: a member was added or removed. */
export function membershipView({ username }: RoomUser, change: 'added to' | 'removed from'): RoomEvent {
  return { type: 'chat.notification', content: `${username} was ${change} the chat.` }
}

/** `chat.active`: the number of connected members. */
export function onlineView(count: number): RoomEvent {
  return { type: 'chat.active', content: count }
}

/** `chat.typing`: a member started or stopped typing. */
export function typingView({ username, isTyping }: { username: string; isTyping: boolean }): RoomEvent {
  return { type: 'chat.typing', username, content: isTyping ? `${username} is typing...` : null }
}

/** `chat.error`: why a frame was rejected. */
export function roomErrorView(content: string): RoomEvent {
  return { type: 'chat.error', content }
}

/** A message in a page of messages. */
export function listedMessageView(message: RoomMessage, mediaUrl: MediaNames['url']) {
  const { id, roomId, text, media, previous, sender, insertedAt } = message
  const url = media && mediaUrl(media.id)
  const [date, time] = [roomDate(insertedAt), listedTime(insertedAt)]
  return {
    id,
    message_format: media?.format ?? ('text' as const),
    text_content: text,
    image_content: media?.format === 'image' ? url : null,
    audio_content: media?.format === 'audio' ? url : null,
    video_content: media?.format === 'video' ? url : null,
    is_reply: previous !== null,
    ...previousView(previous),
    sender: sender.shortId,
    room: roomId,
    created: `${date}, ${time}`,
    date,
    time,
    username: sender.username,
  }
}

function previousView(previous: RoomMessage['previous']) {
  return {
    previous_message_id: previous?.id ?? null,
    previous_message_content: previous && (previous.text ?? previous.format?.toUpperCase() ?? null),
    previous_message_type: previous && (previous.format ?? 'text'),
    previous_sender_username: previous?.username ?? null,
  }
}
