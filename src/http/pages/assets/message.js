import { byId, find } from './dom.js'

/**
 * A message of a room, from the history or the socket.
 * @typedef {object} Message
 * @property {string} id
 * @property {string} username who sent it
 * @property {'text' | 'image' | 'audio' | 'video'} format
 * @property {string} content its text, or the URL of its image, audio or video
 * @property {Date} at
 * @property {Quote | null} quote
 */

/**
 * The message that another one replies to.
 * @typedef {{ id: string, username: string, excerpt: string }} Quote
 */

/**
 * A message as the server sends it, in the history or over the socket.
 * @typedef {Record<string, string | null> & { is_reply?: boolean }} RawMessage
 */

const FORMATS = /** @type {const} */ (['text', 'image', 'audio', 'video'])
const NAMES = { text: 'Text', image: 'Image', audio: 'Audio', video: 'Video' }
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

/**
 * Parses a message of the history.
 * @param {RawMessage} raw
 * @returns {Message}
 */
export function fromHistory(raw) {
  return parse(raw, formatOf(raw.message_format))
}

/**
 * Parses a message from the socket.
 * @param {RawMessage} raw
 * @returns {Message}
 */
export function fromSocket(raw) {
  const { type, reply_format, media_format } = raw
  const isText = type === 'chat.message' || (type === 'chat.reply' && reply_format === 'text')
  return parse(raw, isText ? 'text' : formatOf(media_format ?? reply_format))
}

/**
 * Creates the element of a message.
 * @param {Message} message
 * @param {string} reader the username of the reader
 * @returns {HTMLLIElement}
 */
export function render(message, reader) {
  const { id, username, format, quote } = message
  const template = byId('message', HTMLTemplateElement)
  const item = /** @type {HTMLLIElement} */ (find(template.content, 'li', HTMLLIElement).cloneNode(true))
  item.id = `m-${id}`
  item.dataset.id = id
  item.dataset.username = username
  item.classList.toggle('own', username === reader)
  find(item, '.byline b', HTMLElement).textContent = username
  find(item, 'time', HTMLTimeElement).dateTime = message.at.toISOString()
  find(item, '.reply', HTMLButtonElement).ariaLabel = `Reply to ${username}`
  if (quote) showQuote(item, quote)
  else find(item, '.quote', HTMLElement).remove()
  for (const other of FORMATS) if (other !== format) contentOf(item, other).remove()
  fill(contentOf(item, format), message)
  return item
}

/**
 * Shows the time in the time zone of the browser, and turns URLs in the text into links.
 * @param {HTMLLIElement} item
 */
export function localize(item) {
  const time = find(item, 'time', HTMLTimeElement)
  const at = new Date(time.dateTime)
  time.textContent = at.toLocaleTimeString([], { hour: 'numeric', minute: '2-digit' })
  time.title = at.toLocaleString()
  const text = item.querySelector('.text')
  if (text) text.replaceChildren(...linked(text.textContent ?? ''))
}

/**
 * The text of a message, or its kind of media.
 * @param {HTMLLIElement} item
 */
export function excerptOf(item) {
  const text = item.querySelector('.text')?.textContent
  const format = FORMATS.find((one) => one !== 'text' && item.querySelector(selectorOf(one)))
  return text ?? NAMES[format ?? 'image']
}

/**
 * Replaces the URL of an image, audio or video.
 * @param {HTMLLIElement} item
 * @param {Message} message
 */
export function replaceMediaUrl(item, message) {
  if (message.format !== 'text') fill(contentOf(item, message.format), message)
}

/**
 * @param {RawMessage} raw
 * @param {Message['format']} format
 * @returns {Message}
 */
function parse(raw, format) {
  const media = raw.url ?? raw[`${format}_content`]
  return {
    id: raw.id ?? '',
    username: raw.username ?? '',
    format,
    content: (format === 'text' ? raw.text_content : media) ?? '',
    at: dateOf(raw.created ?? '', raw.time ?? ''),
    quote: raw.is_reply ? quoteOf(raw) : null,
  }
}

/**
 * @param {RawMessage} raw
 * @returns {Quote | null}
 */
function quoteOf({ previous_message_id, previous_sender_username, previous_message_content, ...raw }) {
  if (!previous_message_id) return null
  const format = formatOf(raw.previous_message_type)
  const excerpt = format === 'text' ? (previous_message_content ?? '') : NAMES[format]
  return { id: previous_message_id, username: previous_sender_username ?? '', excerpt }
}

/**
 * The server sends formats in upper and lower case.
 * @param {string | null | undefined} name
 */
function formatOf(name) {
  return FORMATS.find((format) => format === name?.toLowerCase()) ?? 'text'
}

/**
 * Parses a date and a time, both UTC: `Nov. 20, 2026` and `12:34 PM` or `12:34 p.m.`.
 * @param {string} day
 * @param {string} time
 */
function dateOf(day, time) {
  const [, month = '', date, year] = /(\w{3})\.? (\d+), (\d+)/.exec(day) ?? []
  const [, hour, minute, half] = /(\d+):(\d+) ([ap])/i.exec(time) ?? []
  const hours = (Number(hour) % 12) + (half?.toLowerCase() === 'p' ? 12 : 0)
  return new Date(Date.UTC(Number(year), MONTHS.indexOf(month), Number(date), hours, Number(minute)))
}

/**
 * @param {HTMLLIElement} item
 * @param {Quote} quote
 */
function showQuote(item, { id, username, excerpt }) {
  find(item, '.quote a', HTMLAnchorElement).href = `#m-${id}`
  find(item, '.quote b', HTMLElement).textContent = username
  find(item, '.quote span', HTMLElement).textContent = excerpt
}

/** @param {Message['format']} format */
function selectorOf(format) {
  return { text: '.text', image: '.picture', audio: 'audio', video: 'video' }[format]
}

/**
 * @param {HTMLLIElement} item
 * @param {Message['format']} format
 */
function contentOf(item, format) {
  return find(item, selectorOf(format), HTMLElement)
}

/**
 * @param {HTMLElement} element
 * @param {Message} message
 */
function fill(element, { format, content, username }) {
  if (format === 'text') element.textContent = content
  if (element instanceof HTMLAnchorElement) {
    const image = find(element, 'img', HTMLImageElement)
    element.href = content
    image.src = content
    image.alt = `${NAMES.image} from ${username}`
  }
  if (element instanceof HTMLMediaElement) {
    element.src = content
    element.ariaLabel = `${NAMES[format]} from ${username}`
  }
}

/**
 * The text, with its URLs as links.
 * @param {string} text
 */
function linked(text) {
  return text.split(/(https?:\/\/[^\s<>"]*[^\s<>".,:;!?)\]])/).map((piece, index) => {
    if (index % 2 === 0) return piece
    const link = { href: piece, textContent: piece, target: '_blank', rel: 'noopener noreferrer' }
    return Object.assign(document.createElement('a'), link)
  })
}
