import { send } from './api.js'
import { Composer } from './composer.js'
import { Connection } from './connection.js'
import { byId, tell } from './dom.js'
import { loadSince } from './history.js'
import { fromSocket } from './message.js'
import { Outbox } from './outbox.js'
import { canRecord, record } from './recorder.js'
import { OthersTyping, OwnTyping } from './typing.js'
import { sendFile } from './uploads.js'

/** @typedef {import('./message.js').Message} Message */
/** @typedef {import('./message.js').Wire} Wire */
/** @typedef {import('./timeline.js').Timeline} Timeline */
/** @typedef {import('./uploads.js').Upload} Upload */

/** A visit to a room by somebody whose browser is signed in: they see what happens there, and take part. */
export class Visit {
  #log = byId('log', HTMLElement)
  #presence = byId('presence', HTMLElement)
  #trouble = byId('trouble', HTMLElement)
  #form = byId('composer', HTMLFormElement)
  #others = new OthersTyping()
  #typing = new OwnTyping((isTyping) => this.#tellTyping(isTyping))
  #timeline
  #home
  #room
  #username
  #maxBytes
  #connection
  #outbox
  #composer
  /** What arrives while one still reads up on what was missed. @type {Message[] | undefined} */
  #waiting

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
      lost: () => this.#lose(),
      mayReturn: () => this.#mayReturn(),
    })
    this.#outbox = new Outbox(username, timeline, (frame) => this.#connection.send(frame))
    this.#composer = new Composer({
      sent: (text, quote) => this.#say(text, quote),
      chose: (files) => this.#sendFiles(files),
      typed: (hasText) => this.#typing.pressed(hasText),
    })
  }

  begin() {
    this.#log.addEventListener('click', ({ target }) => {
      const item = target instanceof Element && target.closest('.answer')?.closest('li')
      if (item) this.#composer.answer(this.#timeline.quoteOf(item))
    })
    addEventListener('pagehide', () => this.#typing.stop())
    for (const format of /** @type {const} */ (['audio', 'video'])) this.#offerRecording(format)
    this.#connection.open()
  }

  async #catchUp() {
    this.#waiting = []
    try {
      const missed = await loadSince(this.#home, ({ id }) => this.#timeline.itemOf(id) !== undefined)
      // What is too much to be pieced together is better read anew.
      if (!missed) return location.reload()
      for (const message of [...missed, ...this.#waiting]) this.#show(message)
      this.#outbox.giveUp()
    } catch {
      this.#connection.reset()
    }
    this.#waiting = undefined
  }

  /** @param {Wire} event */
  #receive(event) {
    const { type, content, username } = event
    if (type === 'chat.message' || type === 'chat.reply' || type === 'chat.media') {
      const message = fromSocket(event)
      if (this.#waiting) this.#waiting.push(message)
      else this.#show(message)
    }
    if (type === 'chat.typing' && username && username !== this.#username) {
      this.#others.heard(username, content !== null)
    }
    if (type === 'chat.active') this.#showPresence(`${content} here now`, 'online')
    if (type === 'chat.notification') this.#timeline.note(content ?? '')
    if (type === 'chat.error' && !this.#outbox.refused(content ?? '')) tell(this.#trouble, content ?? '')
  }

  /** @param {Message} message */
  #show(message) {
    this.#others.heard(message.username, false)
    this.#outbox.arrived(message)
    this.#timeline.append(message)
  }

  #lose() {
    this.#others.forget()
    this.#outbox.doubt()
    this.#showPresence('Reconnecting…', 'offline')
  }

  /** @returns {Promise<'yes' | 'no' | 'unknown'>} */
  async #mayReturn() {
    const { ok, status } = await send('GET', this.#home)
    if (ok) return 'yes'
    if (status !== 401 && status !== 403 && status !== 404) return 'unknown'
    this.#showPresence('Not connected', 'offline')
    this.#outbox.giveUp()
    this.#end(status)
    return 'no'
  }

  /**
   * Ends what can no longer go on, and says why.
   * @param {401 | 403 | 404} status
   */
  #end(status) {
    const reasons = {
      401: 'You are signed out.',
      403: 'You are no longer a member of this room.',
      404: 'This room is gone.',
    }
    const signIn = { href: `/whisper?next=${encodeURIComponent(this.#home)}`, textContent: 'Sign in again' }
    const goOn = status === 401 ? signIn : { href: '/whisper', textContent: 'To your rooms' }
    this.#trouble.replaceChildren(`${reasons[status]} `, Object.assign(document.createElement('a'), goOn))
    this.#trouble.hidden = false
    this.#form.hidden = true
  }

  /**
   * @param {string} text
   * @param {import('./message.js').Quote | null} quote
   */
  #say(text, quote) {
    this.#typing.stop()
    tell(this.#trouble, '')
    this.#outbox.send(text, quote)
  }

  /** @param {boolean} isTyping */
  #tellTyping(isTyping) {
    this.#connection.send({ message_type: 'typing', message: isTyping ? 'typing' : '' })
  }

  /**
   * @param {File[]} files
   * @param {Upload['format']} [format]
   */
  async #sendFiles(files, format) {
    tell(this.#trouble, '')
    const answeredId = this.#composer.takeQuote()?.id
    const problems = await Promise.all(files.map((file) => this.#sendFile({ file, format, answeredId })))
    tell(this.#trouble, problems.filter(Boolean).join(' '))
  }

  /** @param {Upload} upload */
  async #sendFile(upload) {
    const { name, size } = upload.file
    if (size <= this.#maxBytes) return sendFile(`/api/v1/chat/rooms/${this.#room}/media/`, upload)
    return `${name} is too large: files may have up to ${inMebibytes(this.#maxBytes)} MiB.`
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
