import { byId } from './dom.js'
import { excerptOf, localize, render } from './message.js'

/** @typedef {import('./message.js').Message} Message */

/** Pixels from the end within which the list counts as scrolled to its end. */
const END_TOLERANCE = 80

/** The list of messages: in order, each once, with a line for each day. Follows new messages while it is scrolled to its end. */
export class Timeline {
  #log = byId('log', HTMLElement)
  #list = byId('messages', HTMLOListElement)
  #newest = byId('newest', HTMLButtonElement)
  #reader
  #isAtEnd = true

  /** @param {string} reader the username of the reader */
  constructor(reader) {
    this.#reader = reader
    this.#unannounced(() => {
      for (const item of this.items) localize(item)
    })
    this.#log.addEventListener('scroll', () => this.#updateIsAtEnd(), { passive: true })
    this.#newest.addEventListener('click', () => this.toEnd())
    // Images grow when they are loaded, and the window shrinks when a keyboard opens.
    const resizes = new ResizeObserver(() => this.#isAtEnd && this.toEnd())
    for (const element of [this.#log, this.#list]) resizes.observe(element)
  }

  /** @returns {HTMLLIElement[]} the messages shown, oldest first. */
  get items() {
    return [...this.#list.querySelectorAll('li')].filter((item) => item.dataset.id)
  }

  /** @param {string} id */
  itemOf(id) {
    return this.items.find((item) => item.dataset.id === id)
  }

  /**
   * Adds a message at the end, unless it is there.
   * @param {Message} message
   */
  append(message) {
    if (this.itemOf(message.id)) return
    const item = render(message, this.#reader)
    localize(item)
    this.add(item, message.username === this.#reader)
    updateGroups(this.items)
  }

  /**
   * Adds earlier messages, oldest first, at the beginning. Keeps the scroll position; screen readers do not announce them.
   * @param {Message[]} messages
   */
  prepend(messages) {
    const before = this.#log.scrollHeight - this.#log.scrollTop
    this.#unannounced(() => {
      const items = messages.filter(({ id }) => !this.itemOf(id)).map((one) => render(one, this.#reader))
      for (const item of items) localize(item)
      this.#list.prepend(...items)
    })
    this.#log.scrollTop = this.#log.scrollHeight - before
  }

  /**
   * Adds a system line, such as who joined or left.
   * @param {string} text
   */
  addNotice(text) {
    this.add(line('system', text))
  }

  /**
   * Adds an element at the end.
   * @param {HTMLLIElement} item
   * @param {boolean} [isOwn] scrolls to it
   */
  add(item, isOwn = false) {
    const wasAtEnd = this.#isAtEnd
    this.#list.append(item)
    if (wasAtEnd || isOwn) this.toEnd()
    else this.#newest.hidden = false
  }

  toEnd() {
    this.#log.scrollTop = this.#log.scrollHeight
    this.#updateIsAtEnd()
  }

  /**
   * Scrolls to a message and highlights it.
   * @param {HTMLLIElement} item
   */
  highlight(item) {
    for (const found of this.#list.querySelectorAll('.found')) found.classList.remove('found')
    item.classList.add('found')
    item.scrollIntoView({ block: 'center' })
    item.querySelector('button')?.focus({ preventScroll: true })
  }

  /**
   * The quote of a message, for a reply to it.
   * @param {HTMLLIElement} item
   */
  quoteOf({ dataset: { id = '', username = '' } }) {
    const item = this.itemOf(id)
    return { id, username, excerpt: item ? excerptOf(item) : '' }
  }

  #updateIsAtEnd() {
    const { scrollHeight, scrollTop, clientHeight } = this.#log
    this.#isAtEnd = scrollHeight - scrollTop - clientHeight < END_TOLERANCE
    if (this.#isAtEnd) this.#newest.hidden = true
  }

  /** @param {() => void} change */
  #unannounced(change) {
    this.#log.ariaLive = 'off'
    change()
    updateGroups(this.items)
    requestAnimationFrame(() => this.#log.removeAttribute('aria-live'))
  }
}

/**
 * Puts a line before the first message of each day, and hides the sender of messages that closely follow one of the same
 * sender.
 * @param {HTMLLIElement[]} items
 */
function updateGroups(items) {
  for (const [index, item] of items.entries()) {
    const previous = items[index - 1]
    const isNewDay = dayOf(item) !== (previous && dayOf(previous))
    const above = item.previousElementSibling
    const hasLine = above?.classList.contains('day') ?? false
    if (isNewDay && !hasLine) item.before(line('day', dayOf(item)))
    if (!isNewDay && hasLine) above?.remove()
    item.classList.toggle('follows', previous !== undefined && isClose(previous, item))
  }
}

/**
 * @param {HTMLLIElement} one
 * @param {HTMLLIElement} next
 */
function isClose(one, next) {
  const isSame = one.dataset.username === next.dataset.username && one === next.previousElementSibling
  return isSame && dateOf(next).getTime() - dateOf(one).getTime() < 5 * 60_000
}

/** @param {HTMLLIElement} item */
function dayOf(item) {
  const day = { weekday: 'long', day: 'numeric', month: 'long', year: 'numeric' }
  return dateOf(item).toLocaleDateString([], /** @type {Intl.DateTimeFormatOptions} */ (day))
}

/** @param {HTMLLIElement} item */
function dateOf(item) {
  return new Date(item.querySelector('time')?.dateTime ?? 0)
}

/**
 * @param {string} className
 * @param {string} text
 */
function line(className, text) {
  return Object.assign(document.createElement('li'), { className, textContent: text })
}
