import { byId, find } from './dom.js'

/**
 * A message of a room, wherever it came from.
 * @typedef {object} Message
 * @property {string} id
 * @property {string} username who sent it
 * @property {'text' | 'image' | 'audio' | 'video'} format
 * @property {string} content its text, or where its image, sound or film is
 * @property {Date} at
 * @property {Quote | null} quote
 */

/**
 * The message that another one answers.
 * @typedef {{ id: string, username: string, excerpt: string }} Quote
 */

/**
 * What the messages of the history and of the socket have in common.
 * @typedef {Record<string, string | null> & { is_reply?: boolean }} Wire
 */

const FORMATS = /** @type {const} */ (['text', 'image', 'audio', 'video'])
const NAMES = { text: 'Text', image: 'Image', audio: 'Sound', video: 'Film' }
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

/**
 * Reads a message of the history.
 * @param {Wire} wire
 * @returns {Message}
 */
export function fromHistory(wire) {
  return read(wire, formatOf(wire.message_format))
}

/**
 * Reads a message that came over the socket.
 * @param {Wire} wire
 * @returns {Message}
 */
export function fromSocket(wire) {
  const { type, reply_format, media_format } = wire
  const isText = type === 'chat.message' || (type === 'chat.reply' && reply_format === 'text')
  return read(wire, isText ? 'text' : formatOf(media_format ?? reply_format))
}

/**
 * Makes the element that shows a message.
 * @param {Message} message
 * @param {string} reader the name of who reads it
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
  find(item, '.answer', HTMLButtonElement).ariaLabel = `Reply to ${username}`
  if (quote) showQuote(item, quote)
  else find(item, '.quote', HTMLElement).remove()
  for (const other of FORMATS) if (other !== format) place(item, other).remove()
  fill(place(item, format), message)
  return item
}

/**
 * Makes the parts of an element that no template can have: times where the reader is, links in texts.
 * @param {HTMLLIElement} item
 */
export function finish(item) {
  const time = find(item, 'time', HTMLTimeElement)
  const at = new Date(time.dateTime)
  time.textContent = at.toLocaleTimeString([], { hour: 'numeric', minute: '2-digit' })
  time.title = at.toLocaleString()
  const text = item.querySelector('.text')
  if (text) text.replaceChildren(...linked(text.textContent ?? ''))
}

/**
 * What a message says, in a few words.
 * @param {HTMLLIElement} item
 */
export function excerptOf(item) {
  const text = item.querySelector('.text')?.textContent
  const format = FORMATS.find((one) => one !== 'text' && item.querySelector(selectorOf(one)))
  return text ?? NAMES[format ?? 'image']
}

/**
 * Gives an element a new address for its image, sound or film.
 * @param {HTMLLIElement} item
 * @param {Message} message
 */
export function renew(item, message) {
  if (message.format !== 'text') fill(place(item, message.format), message)
}

/**
 * @param {Wire} wire
 * @param {Message['format']} format
 * @returns {Message}
 */
function read(wire, format) {
  const media = wire.url ?? wire[`${format}_content`]
  return {
    id: wire.id ?? '',
    username: wire.username ?? '',
    format,
    content: (format === 'text' ? wire.text_content : media) ?? '',
    at: momentOf(wire.created ?? '', wire.time ?? ''),
    quote: wire.is_reply ? quoteOf(wire) : null,
  }
}

/**
 * @param {Wire} wire
 * @returns {Quote | null}
 */
function quoteOf({ previous_message_id, previous_sender_username, previous_message_content, ...wire }) {
  if (!previous_message_id) return null
  const format = formatOf(wire.previous_message_type)
  const excerpt = format === 'text' ? (previous_message_content ?? '') : NAMES[format]
  return { id: previous_message_id, username: previous_sender_username ?? '', excerpt }
}

/**
 * Formats come in both cases.
 * @param {string | null | undefined} name
 */
function formatOf(name) {
  return FORMATS.find((format) => format === name?.toLowerCase()) ?? 'text'
}

/**
 * The moment of a day and a time, both UTC: `Nov. 20, 2026` and `12:34 PM` or `12:34 p.m.`.
 * @param {string} day
 * @param {string} time
 */
function momentOf(day, time) {
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
function place(item, format) {
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
 * The text, with the addresses in it to click on.
 * @param {string} text
 */
function linked(text) {
  return text.split(/(https?:\/\/[^\s<>"]*[^\s<>".,:;!?)\]])/).map((piece, index) => {
    if (index % 2 === 0) return piece
    const link = { href: piece, textContent: piece, target: '_blank', rel: 'noopener noreferrer' }
    return Object.assign(document.createElement('a'), link)
  })
}
