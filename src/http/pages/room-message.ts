import { MEDIA_FORMATS, type MediaFormat } from '../../domain/media/media-types.ts'
import type { RoomMessage } from '../../domain/rooms/rooms.ts'
import { type Content, type Html, html } from './html.ts'
import { icon } from './icons.ts'

/** Options of a list of messages. */
export interface MessageOptions {
  /** The username of the reader, whose own messages look different. */
  username: string
  mediaUrl(mediaId: string): string
}

const FORMATS: Record<MediaFormat, string> = { image: 'Image', audio: 'Audio', video: 'Video' }

/** One message of a room. */
export function messageItem(message: RoomMessage, { username, mediaUrl }: MessageOptions): Html {
  const { id, insertedAt, media, previous, sender } = message
  return item({
    id,
    username: sender.username,
    isOwn: sender.username === username,
    at: insertedAt.toISOString(),
    quote: previous && { id: previous.id, username: previous.username, excerpt: excerptOf(previous) },
    content: media
      ? mediaContent(media.format, mediaUrl(media.id), sender.username)
      : html`<p class="text">${message.text}</p>`,
  })
}

/** An empty message with every part that one can have, for the script to fill in. */
export function messageTemplate(): Html {
  const contents = MEDIA_FORMATS.map((format) => mediaContent(format, '', ''))
  const quote = { id: '', username: '', excerpt: '' }
  return html`<template id="message">${item({
    id: '',
    username: '',
    isOwn: false,
    at: '',
    quote,
    content: [html`<p class="text"></p>`, contents],
  })}</template>`
}

interface Item {
  id: string
  username: string
  isOwn: boolean
  at: string
  quote: { id: string; username: string; excerpt: string } | null
  content: Content
}

function item({ id, username, isOwn, at, quote, content }: Item): Html {
  return html`<li class="message${isOwn && ' own'}" id="m-${id}" data-id="${id}" data-username="${username}">
<p class="byline"><b>${username}</b> <time datetime="${at}">${at.slice(11, 16)}</time></p>
<div class="bubble">
${
  quote &&
  html`<blockquote class="quote"><a href="#m-${quote.id}"><b>${quote.username}</b> <span>${quote.excerpt}</span></a></blockquote>`
}
${content}
</div>
<button class="iconic reply" type="button" aria-label="Reply to ${username}" title="Reply">${icon('reply')}</button>
</li>`
}

function mediaContent(format: MediaFormat, url: string, username: string): Html {
  const label = `${FORMATS[format]} from ${username}`
  if (format === 'audio')
    return html`<audio src="${url}" aria-label="${label}" controls preload="metadata"></audio>`
  if (format === 'video') {
    return html`<video src="${url}" aria-label="${label}" controls playsinline preload="metadata"></video>`
  }
  return html`<a class="picture" href="${url}" target="_blank" rel="noopener"><img src="${url}" alt="${label}" loading="lazy"></a>`
}

function excerptOf({ text, format }: NonNullable<RoomMessage['previous']>): string {
  return text ?? FORMATS[format ?? 'image']
}
