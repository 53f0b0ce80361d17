import { find } from './dom.js'
import { finish, render } from './message.js'

/** @typedef {import('./message.js').Quote} Quote */
/** @typedef {import('./message.js').Message} Message */
/** @typedef {{ text: string, quote: Quote | null, item: HTMLLIElement, isDoubtful: boolean, hasFailed: boolean }} Pending */

/**
 * The texts that are sent and have not come back yet. The server answers none of them: what it took, it sends to everybody
 * in the room, the sender too, in the order it came.
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
   * Sends a text, and shows it as on its way.
   * @param {string} text
   * @param {Quote | null} quote
   */
  send(text, quote) {
    const format = /** @type {const} */ ('text')
    const message = { id: '', username: this.#username, format, content: text, at: new Date(), quote }
    const item = render(message, this.#username)
    finish(item)
    find(item, '.answer', HTMLElement).remove()
    item.removeAttribute('id')
    item.classList.add('pending')
    item.append(fate('Sending…'))
    const pending = { text, quote, item, isDoubtful: false, hasFailed: false }
    this.#pending.push(pending)
    this.#timeline.add(item, true)
    this.#post(pending)
  }

  /**
   * Lets go of the text that has come back as a message.
   * @param {Message} message
   */
  arrived({ username, format, content, quote }) {
    if (username !== this.#username || format !== 'text') return
    const isIt = (/** @type {Pending} */ one) => one.text === content && one.quote?.id === quote?.id
    const index = this.#pending.findIndex(isIt)
    const [pending] = index < 0 ? [] : this.#pending.splice(index, 1)
    pending?.item.remove()
  }

  /** The connection is lost: what has not come back may not have arrived. */
  doubt() {
    for (const pending of this.#pending) pending.isDoubtful = true
  }

  /** All that had arrived before the connection was lost has come back: gives up on the rest. */
  giveUp() {
    for (const pending of this.#pending) if (pending.isDoubtful) this.#fail(pending, 'Not sent')
  }

  /**
   * The server has refused something: if a text is on its way, then that.
   * @param {string} reason
   * @returns {boolean} whether it was one
   */
  refused(reason) {
    const pending = this.#pending.find(({ hasFailed }) => !hasFailed)
    if (pending) this.#fail(pending, reason)
    return pending !== undefined
  }

  /** @param {Pending} pending */
  #post(pending) {
    const { text, quote } = pending
    const reply = quote && { message_type: 'reply', message: text, previous_message_id: quote.id }
    if (!this.#transmit(reply ?? { message_type: 'message', message: text })) {
      this.#fail(pending, 'Not sent: there is no connection.')
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
    const again = button('Send again', () => {
      this.#drop(pending)
      this.send(pending.text, pending.quote)
    })
    const never = button('Discard', () => this.#drop(pending))
    find(pending.item, '.fate', HTMLElement).replaceWith(fate(reason, again, never))
  }

  /** @param {Pending} pending */
  #drop(pending) {
    this.#pending.splice(this.#pending.indexOf(pending), 1)
    pending.item.remove()
  }
}

/** @param {(string | Node)[]} content */
function fate(...content) {
  const element = Object.assign(document.createElement('p'), { className: 'fate' })
  element.append(...content)
  return element
}

/**
 * @param {string} text
 * @param {() => void} act
 */
function button(text, act) {
  const made = { type: /** @type {const} */ ('button'), className: 'plain', textContent: text, onclick: act }
  return Object.assign(document.createElement('button'), made)
}
