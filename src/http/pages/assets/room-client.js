import { send } from './api.js'
import { Composer } from './composer.js'
import { Connection } from './connection.js'
import { byId, showText } from './dom.js'
import { loadSince } from './history.js'
import { fromSocket } from './message.js'
import { Outbox } from './outbox.js'
import { canRecord, record } from './recorder.js'
import { OthersTyping, OwnTyping } from './typing.js'
import { sendFile } from './uploads.js'

/** @typedef {import('./message.js').Message} Message */
/** @typedef {import('./message.js').RawMessage} RawMessage */
/** @typedef {import('./timeline.js').Timeline} Timeline */
/** @typedef {import('./uploads.js').Upload} Upload */

/** The live part of a room: receives events, and sends texts, files and recordings. */
export class RoomClient {
  #log = byId('log', HTMLElement)
  #presence = byId('presence', HTMLElement)
  #trouble = byId('trouble', HTMLElement)
  #form = byId('composer', HTMLFormElement)
  #others = new OthersTyping()
  #typing = new OwnTyping((isTyping) => this.#sendTyping(isTyping))
  #timeline
  #home
  #room
  #username
  #maxBytes
  #connection
  #outbox
  #composer
  /** Messages received while earlier ones are still loading. @type {Message[] | undefined} */
  #buffered

  /**
   * @param {Timeline} timeline
   * @param {string} home the path of the latest messages
   */
  constructor(timeline, home) {
    const { room = '', username = '', maxBytes = '' } = this.#form.dataset
    this.#timeline = timeline
    this.#home = home
    this.#room = room
    this.#username = username
    this.#maxBytes = Number(maxBytes)
    this.#connection = new Connection(`${location.origin.replace(/^http/, 'ws')}/ws/chat/${room}/`, {
      opened: () => this.#catchUp(),
      received: (event) => this.#receive(event),
      closed: () => this.#onClosed(),
      mayReconnect: () => this.#mayReconnect(),
    })
    this.#outbox = new Outbox(username, timeline, (frame) => this.#connection.send(frame))
    this.#composer = new Composer({
      submitted: (text, quote) => this.#sendText(text, quote),
      filesChosen: (files) => this.#sendFiles(files),
      typed: (hasText) => this.#typing.update(hasText),
    })
  }

  start() {
    this.#log.addEventListener('click', ({ target }) => {
      const item = target instanceof Element && target.closest('.reply')?.closest('li')
      if (item) this.#composer.setReply(this.#timeline.quoteOf(item))
    })
    addEventListener('pagehide', () => this.#typing.stop())
    for (const format of /** @type {const} */ (['audio', 'video'])) this.#offerRecording(format)
    this.#connection.open()
  }

  async #catchUp() {
    this.#buffered = []
    try {
      const missed = await loadSince(this.#home, ({ id }) => this.#timeline.itemOf(id) !== undefined)
      // Too many were missed to load them one page at a time.
      if (!missed) return location.reload()
      for (const message of [...missed, ...this.#buffered]) this.#show(message)
      this.#outbox.failUnconfirmed()
    } catch {
      this.#connection.reset()
    }
    this.#buffered = undefined
  }

  /** @param {RawMessage} event */
  #receive(event) {
    const { type, content, username } = event
    if (type === 'chat.message' || type === 'chat.reply' || type === 'chat.media') {
      const message = fromSocket(event)
      if (this.#buffered) this.#buffered.push(message)
      else this.#show(message)
    }
    if (type === 'chat.typing' && username && username !== this.#username) {
      this.#others.update(username, content !== null)
    }
    if (type === 'chat.active') this.#showPresence(`${content} online`, 'online')
    if (type === 'chat.notification') this.#timeline.addNotice(content ?? '')
    if (type === 'chat.error' && !this.#outbox.reject(content ?? '')) showText(this.#trouble, content ?? '')
  }

  /** @param {Message} message */
  #show(message) {
    this.#others.update(message.username, false)
    this.#outbox.confirm(message)
    this.#timeline.append(message)
  }

  #onClosed() {
    this.#others.clear()
    this.#outbox.markUnconfirmed()
    this.#showPresence('Reconnecting…', 'offline')
  }

  /** @returns {Promise<'yes' | 'no' | 'unknown'>} */
  async #mayReconnect() {
    const { ok, status } = await send('GET', this.#home)
    if (ok) return 'yes'
    if (status !== 401 && status !== 403 && status !== 404) return 'unknown'
    this.#showPresence('Not connected', 'offline')
    this.#outbox.failUnconfirmed()
    this.#end(status)
    return 'no'
  }

  /**
   * Disables the room and shows the reason.
   * @param {401 | 403 | 404} status
   */
  #end(status) {
    const reasons = {
      401: 'You are signed out.',
      403: 'You are no longer a member of this room.',
      404: 'This room no longer exists.',
    }
    const signIn = { href: `/whisper?next=${encodeURIComponent(this.#home)}`, textContent: 'Sign in again' }
    const link = status === 401 ? signIn : { href: '/whisper', textContent: 'Back to your rooms' }
    this.#trouble.replaceChildren(`${reasons[status]} `, Object.assign(document.createElement('a'), link))
    this.#trouble.hidden = false
    this.#form.hidden = true
  }

  /**
   * @param {string} text
   * @param {import('./message.js').Quote | null} quote
   */
  #sendText(text, quote) {
    this.#typing.stop()
    showText(this.#trouble, '')
    this.#outbox.send(text, quote)
  }

  /** @param {boolean} isTyping */
  #sendTyping(isTyping) {
    this.#connection.send({ message_type: 'typing', message: isTyping ? 'typing' : '' })
  }

  /**
   * @param {File[]} files
   * @param {Upload['format']} [format]
   */
  async #sendFiles(files, format) {
    showText(this.#trouble, '')
    const repliedToId = this.#composer.takeQuote()?.id
    const problems = await Promise.all(files.map((file) => this.#sendFile({ file, format, repliedToId })))
    showText(this.#trouble, problems.filter(Boolean).join(' '))
  }

  /** @param {Upload} upload */
  async #sendFile(upload) {
    const { name, size } = upload.file
    if (size <= this.#maxBytes) return sendFile(`/api/v1/chat/rooms/${this.#room}/media/`, upload)
    return `${name} is too large. The limit is ${inMebibytes(this.#maxBytes)} MiB.`
  }

  /** @param {'audio' | 'video'} format */
  #offerRecording(format) {
    const button = byId(`record-${format}`, HTMLButtonElement)
    button.hidden = !canRecord()
    button.addEventListener('click', async () => {
      const file = await record(format, this.#maxBytes)
      if (file) this.#sendFiles([file], format)
      button.focus()
    })
  }

  /**
   * @param {string} text
   * @param {'online' | 'offline'} state
   */
  #showPresence(text, state) {
    this.#presence.dataset.state = state
    this.#presence.textContent = text
  }
}

/** @param {number} bytes */
function inMebibytes(bytes) {
  return Number((bytes / 2 ** 20).toFixed(1))
}
