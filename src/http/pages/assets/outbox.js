import { find } from './dom.js'
import { localize, render } from './message.js'

/** @typedef {import('./message.js').Quote} Quote */
/** @typedef {import('./message.js').Message} Message */
/** @typedef {{ text: string, quote: Quote | null, item: HTMLLIElement, isUnconfirmed: boolean, hasFailed: boolean }} Pending */

/**
 * The texts that were sent and not yet received back. The server does not acknowledge texts: it broadcasts each accepted one
 * to all members, including the sender, in order.
 */
export class Outbox {
  #username
  #timeline
  #transmit
  /** @type {Pending[]} */
  #pending = []

  /**
   * @param {string} username
   * @param {import('./timeline.js').Timeline} timeline
   * @param {(frame: object) => boolean} transmit
   */
  constructor(username, timeline, transmit) {
    this.#username = username
    this.#timeline = timeline
    this.#transmit = transmit
  }

  /**
   * Sends a text, and shows it as pending.
   * @param {string} text
   * @param {Quote | null} quote
   */
  send(text, quote) {
    const format = /** @type {const} */ ('text')
    const message = { id: '', username: this.#username, format, content: text, at: new Date(), quote }
    const item = render(message, this.#username)
    localize(item)
    find(item, '.reply', HTMLElement).remove()
    item.removeAttribute('id')
    item.classList.add('pending')
    item.append(statusLine('Sending…'))
    const pending = { text, quote, item, isUnconfirmed: false, hasFailed: false }
    this.#pending.push(pending)
    this.#timeline.add(item, true)
    this.#post(pending)
  }

  /**
   * Removes the pending text that a received message confirms.
   * @param {Message} message
   */
  confirm({ username, format, content, quote }) {
    if (username !== this.#username || format !== 'text') return
    const matches = (/** @type {Pending} */ one) => one.text === content && one.quote?.id === quote?.id
    const index = this.#pending.findIndex(matches)
    const [pending] = index < 0 ? [] : this.#pending.splice(index, 1)
    pending?.item.remove()
  }

  /** Marks all pending texts as unconfirmed: the connection was closed, and they may not have arrived. */
  markUnconfirmed() {
    for (const pending of this.#pending) pending.isUnconfirmed = true
  }

  /** Fails the texts that are still unconfirmed after catching up. */
  failUnconfirmed() {
    for (const pending of this.#pending) if (pending.isUnconfirmed) this.#fail(pending, 'Not sent')
  }

  /**
   * Fails the oldest pending text, which the server has rejected.
   * @param {string} reason
   * @returns {boolean} whether there was one
   */
  reject(reason) {
    const pending = this.#pending.find(({ hasFailed }) => !hasFailed)
    if (pending) this.#fail(pending, reason)
    return pending !== undefined
  }

  /** @param {Pending} pending */
  #post(pending) {
    const { text, quote } = pending
    const reply = quote && { message_type: 'reply', message: text, previous_message_id: quote.id }
    if (!this.#transmit(reply ?? { message_type: 'message', message: text })) {
      this.#fail(pending, 'Not sent: no connection.')
    }
  }

  /**
   * @param {Pending} pending
   * @param {string} reason
   */
  #fail(pending, reason) {
    if (pending.hasFailed) return
    pending.hasFailed = true
    pending.item.classList.add('failed')
    const retry = button('Send again', () => {
      this.#remove(pending)
      this.send(pending.text, pending.quote)
    })
    const discard = button('Discard', () => this.#remove(pending))
    find(pending.item, '.status', HTMLElement).replaceWith(statusLine(reason, retry, discard))
  }

  /** @param {Pending} pending */
  #remove(pending) {
    this.#pending.splice(this.#pending.indexOf(pending), 1)
    pending.item.remove()
  }
}

/** @param {(string | Node)[]} content */
function statusLine(...content) {
  const element = Object.assign(document.createElement('p'), { className: 'status' })
  element.append(...content)
  return element
}

/**
 * @param {string} text
 * @param {() => void} act
 */
function button(text, act) {
  const properties = {
    type: /** @type {const} */ ('button'),
    className: 'plain',
    textContent: text,
    onclick: act,
  }
  return Object.assign(document.createElement('button'), properties)
}
