import type { RoomMessage } from '../../domain/rooms/rooms.ts'
import { type Html, html } from './html.ts'
import { icon } from './icons.ts'
import type { Page } from './layout.ts'
import { type MessageOptions, messageItem, messageTemplate } from './room-message.ts'

/** Options of the page of a room. */
export interface RoomPageOptions extends MessageOptions {
  room: { id: string; name: string }
  /** Newest first. */
  messages: RoomMessage[]
  /** The URL of the messages before these; null when there are none. */
  previousMessages: string | null
  /** Whether these are the newest messages. Only then does the page show new ones. */
  isNewest: boolean
  /**
   * Whether the browser has a session cookie. A page that was requested with an access token cannot connect: scripts have
   * neither the token nor a cookie.
   */
  hasCookie: boolean
  /** Bytes of one file. */
  maxMediaBytes: number
}

/** A room: its latest messages and the composer. */
export function roomPage(options: RoomPageOptions): Page {
  const { room, messages, isNewest, hasCookie } = options
  return {
    title: room.name,
    shape: 'window',
    styles: ['room.css'],
    script: 'room.js',
    header: header(room),
    main: html`<div class="log" id="log" role="log" aria-label="Messages" tabindex="0" data-reader="${options.username}">
${earlier(options)}
<div class="empty"><b>No messages yet</b><span>Send the first one.</span></div>
<ol class="messages" id="messages">
${messages.toReversed().map((message) => messageItem(message, options))}
</ol>
</div>
<div class="foot" id="foot">
<button class="newest" type="button" id="newest" hidden>New messages below</button>
<p class="typing" id="typing" role="status"></p>
<p class="alert" id="trouble" role="alert" hidden></p>
${isNewest ? (hasCookie ? composer(options) : NO_COOKIE) : latest(room)}
</div>
<p class="unseen" id="announcement" role="status"></p>
${messageTemplate()}
${recorder()}`,
  }
}

const NO_COOKIE = html`<p class="note">This page was opened with an access token, so it is read-only.
<a href="/whisper">Sign in</a> to send messages.</p>`

function header({ id, name }: RoomPageOptions['room']): Html {
  return html`<a class="button iconic" href="/whisper" aria-label="All rooms" title="All rooms">${icon('back')}</a>
<div class="room">
<h1>${name}</h1>
<p class="presence" id="presence" role="status">Not connected</p>
</div>
<a class="button" href="/whisper/rooms/${id}/people" aria-label="People">${icon('people')} <span>People</span></a>`
}

/** A link to the page of earlier messages; the script loads them into this page instead. */
function earlier({ previousMessages }: RoomPageOptions): Html {
  return html`<p class="earlier"><a class="button" id="earlier" href="${previousMessages ?? ''}"${
    previousMessages === null && html` hidden`
  }>Earlier messages</a></p>`
}

function latest({ id }: RoomPageOptions['room']): Html {
  return html`<p class="note">These are earlier messages. <a href="/api/v1/chat/home/${id}/">Go to the latest</a></p>`
}

function composer({ room, username, maxMediaBytes }: RoomPageOptions): Html {
  return html`<ul class="uploads" id="uploads" aria-label="Uploads"></ul>
<form class="composer" id="composer" data-room="${room.id}" data-username="${username}" data-max-bytes="${maxMediaBytes}">
<div class="reply-bar" id="reply-bar" hidden><p></p>
<button class="iconic" type="button" aria-label="Cancel reply" title="Cancel reply">${icon('close')}</button></div>
<label class="unseen" for="text">Message</label>
<textarea id="text" rows="1" placeholder="Message" autocomplete="off" enterkeyhint="send"></textarea>
<div class="tools">
<input class="unseen" type="file" id="file" accept="image/*,audio/*,video/*" multiple tabindex="-1" aria-label="Files">
<button class="iconic" type="button" id="attach" aria-label="Send files" title="Send files">${icon('attach')}</button>
<button class="iconic" type="button" id="record-audio" aria-label="Record audio" title="Record audio">${icon('audio')}</button>
<button class="iconic" type="button" id="record-video" aria-label="Record video" title="Record video">${icon('video')}</button>
<button class="primary iconic send" type="submit" aria-label="Send" title="Send">${icon('send')}</button>
</div>
</form>`
}

function recorder(): Html {
  return html`<dialog id="recorder" aria-labelledby="recorder-title">
<form class="recorder" method="dialog">
<h2 id="recorder-title"></h2>
<p class="alert" role="alert" hidden></p>
<video id="recorder-video" muted playsinline hidden aria-label="Your video"></video>
<audio id="recorder-audio" controls hidden aria-label="Your recording"></audio>
<p class="timer" role="timer" id="recorder-time">0:00</p>
<p class="row">
<button class="primary" type="button" id="recorder-stop">Stop</button>
<button class="primary" type="submit" value="send" id="recorder-send" hidden>Send</button>
<button type="submit" value="discard">Discard</button>
</p>
</form>
</dialog>`
}
