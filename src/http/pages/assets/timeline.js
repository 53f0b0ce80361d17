import { byId } from './dom.js'
import { excerptOf, finish, render } from './message.js'

/** @typedef {import('./message.js').Message} Message */

/** Pixels from the end within which a reader counts as being there. */
const NEAR = 80

/** The list of messages: in order, each once, with a line for each day, and held at its end while the reader is there. */
export class Timeline {
  #log = byId('log', HTMLElement)
  #list = byId('messages', HTMLOListElement)
  #newest = byId('newest', HTMLButtonElement)
  #reader
  #isAtEnd = true

  /** @param {string} reader the name of who reads it */
  constructor(reader) {
    this.#reader = reader
    this.#quietly(() => {
      for (const item of this.items) finish(item)
    })
    this.#log.addEventListener('scroll', () => this.#notePlace(), { passive: true })
    this.#newest.addEventListener('click', () => this.toEnd())
    // Images grow when they arrive, and the window shrinks when a keyboard opens.
    const grown = new ResizeObserver(() => this.#isAtEnd && this.toEnd())
    for (const element of [this.#log, this.#list]) grown.observe(element)
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
    finish(item)
    this.add(item, message.username === this.#reader)
    arrange(this.items)
  }

  /**
   * Adds earlier messages, oldest first, where they belong; what is in sight stays there, and nobody reads them out.
   * @param {Message[]} messages
   */
  prepend(messages) {
    const before = this.#log.scrollHeight - this.#log.scrollTop
    this.#quietly(() => {
      const items = messages.filter(({ id }) => !this.itemOf(id)).map((one) => render(one, this.#reader))
      for (const item of items) finish(item)
      this.#list.prepend(...items)
    })
    this.#log.scrollTop = this.#log.scrollHeight - before
  }

  /**
   * Adds a line that is no message: who came, who went.
   * @param {string} text
   */
  note(text) {
    this.add(line('system', text))
  }

  /**
   * Adds an element at the end.
   * @param {HTMLLIElement} item
   * @param {boolean} [isOwn] brings the reader there
   */
  add(item, isOwn = false) {
    const wasAtEnd = this.#isAtEnd
    this.#list.append(item)
    if (wasAtEnd || isOwn) this.toEnd()
    else this.#newest.hidden = false
  }

  toEnd() {
    this.#log.scrollTop = this.#log.scrollHeight
    this.#notePlace()
  }

  /**
   * Brings a message into sight, and marks it for a moment.
   * @param {HTMLLIElement} item
   */
  show(item) {
    for (const found of this.#list.querySelectorAll('.found')) found.classList.remove('found')
    item.classList.add('found')
    item.scrollIntoView({ block: 'center' })
    item.querySelector('button')?.focus({ preventScroll: true })
  }

  /**
   * What a reply to a message is about.
   * @param {HTMLLIElement} item
   */
  quoteOf({ dataset: { id = '', username = '' } }) {
    const item = this.itemOf(id)
    return { id, username, excerpt: item ? excerptOf(item) : '' }
  }

  #notePlace() {
    const { scrollHeight, scrollTop, clientHeight } = this.#log
    this.#isAtEnd = scrollHeight - scrollTop - clientHeight < NEAR
    if (this.#isAtEnd) this.#newest.hidden = true
  }

  /** @param {() => void} change */
  #quietly(change) {
    this.#log.ariaLive = 'off'
    change()
    arrange(this.items)
    requestAnimationFrame(() => this.#log.removeAttribute('aria-live'))
  }
}

/**
 * Puts a line before the first message of each day, and has those that follow closely on one of the same sender go without
 * a name.
 * @param {HTMLLIElement[]} items
 */
function arrange(items) {
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
  return isSame && momentOf(next).getTime() - momentOf(one).getTime() < 5 * 60_000
}

/** @param {HTMLLIElement} item */
function dayOf(item) {
  const day = { weekday: 'long', day: 'numeric', month: 'long', year: 'numeric' }
  return momentOf(item).toLocaleDateString([], /** @type {Intl.DateTimeFormatOptions} */ (day))
}

/** @param {HTMLLIElement} item */
function momentOf(item) {
  return new Date(item.querySelector('time')?.dateTime ?? 0)
}

/**
 * @param {string} className
 * @param {string} text
 */
function line(className, text) {
  return Object.assign(document.createElement('li'), { className, textContent: text })
}
