import { byId, find } from './dom.js'

/** @typedef {import('./message.js').Quote} Quote */

/**
 * What the writer does.
 * @typedef {object} Writer
 * @property {(text: string, quote: Quote | null) => void} sent
 * @property {(files: File[]) => void} chose
 * @property {(hasText: boolean) => void} typed
 */

/** The place to write: a text, a reply to a message, files chosen, dropped or pasted. */
export class Composer {
  #form = byId('composer', HTMLFormElement)
  #text = byId('text', HTMLTextAreaElement)
  #answering = byId('answering', HTMLElement)
  #writer
  /** @type {Quote | null} */
  #quote = null

  /** @param {Writer} writer */
  constructor(writer) {
    this.#writer = writer
    this.#form.addEventListener('submit', (event) => {
      event.preventDefault()
      this.#send()
    })
    this.#text.addEventListener('input', () => writer.typed(this.#text.value.trim() !== ''))
    this.#text.addEventListener('keydown', (event) => this.#pressed(event))
    find(this.#answering, 'button', HTMLButtonElement).addEventListener('click', () => this.answer(null))
    this.#takeFiles()
  }

  /**
   * Makes what is written next a reply, or no longer one.
   * @param {Quote | null} quote
   */
  answer(quote) {
    this.#quote = quote
    this.#answering.hidden = !quote
    const text = quote ? `Replying to ${quote.username}: ${quote.excerpt}` : ''
    find(this.#answering, 'p', HTMLElement).textContent = text
    this.#text.focus()
  }

  /** The message that what is sent now replies to, which it then no longer does. @returns {Quote | null} */
  takeQuote() {
    const quote = this.#quote
    if (quote) this.answer(null)
    return quote
  }

  #send() {
    const text = this.#text.value.trim()
    if (!text) return this.#text.focus()
    this.#text.value = ''
    this.#writer.sent(text, this.takeQuote())
    this.#text.focus()
  }

  /** @param {KeyboardEvent} event */
  #pressed(event) {
    // While a word is being put together, Enter belongs to the keyboard.
    if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) {
      event.preventDefault()
      this.#send()
    }
    if (event.key === 'Escape' && this.#quote) this.answer(null)
  }

  #takeFiles() {
    const input = byId('file', HTMLInputElement)
    byId('attach', HTMLButtonElement).addEventListener('click', () => input.click())
    input.addEventListener('change', () => {
      this.#writer.chose([...(input.files ?? [])])
      input.value = ''
    })
    this.#text.addEventListener('paste', (event) => this.#receive(event, event.clipboardData))
    this.#form.addEventListener('dragover', (event) => {
      event.preventDefault()
      this.#form.classList.add('dropping')
    })
    this.#form.addEventListener('dragleave', () => this.#form.classList.remove('dropping'))
    this.#form.addEventListener('drop', (event) => {
      this.#form.classList.remove('dropping')
      this.#receive(event, event.dataTransfer)
    })
  }

  /**
   * @param {Event} event
   * @param {DataTransfer | null} data
   */
  #receive(event, data) {
    const files = [...(data?.files ?? [])]
    if (!files.length) return
    event.preventDefault()
    this.#writer.chose(files)
  }
}
