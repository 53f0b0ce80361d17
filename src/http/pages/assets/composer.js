import { byId, find } from './dom.js'

/** @typedef {import('./message.js').Quote} Quote */

/**
 * Called by a composer.
 * @typedef {object} Listener
 * @property {(text: string, quote: Quote | null) => void} submitted
 * @property {(files: File[]) => void} filesChosen
 * @property {(hasText: boolean) => void} typed
 */

/** The input of a room: text, replies, and files that are chosen, dropped or pasted. */
export class Composer {
  #form = byId('composer', HTMLFormElement)
  #text = byId('text', HTMLTextAreaElement)
  #replyBar = byId('reply-bar', HTMLElement)
  #listener
  /** @type {Quote | null} */
  #quote = null

  /** @param {Listener} listener */
  constructor(listener) {
    this.#listener = listener
    this.#form.addEventListener('submit', (event) => {
      event.preventDefault()
      this.#send()
    })
    this.#text.addEventListener('input', () => listener.typed(this.#text.value.trim() !== ''))
    this.#text.addEventListener('keydown', (event) => this.#onKeyDown(event))
    find(this.#replyBar, 'button', HTMLButtonElement).addEventListener('click', () => this.setReply(null))
    this.#listenForFiles()
  }

  /**
   * Sets the message that the next one replies to, or clears it.
   * @param {Quote | null} quote
   */
  setReply(quote) {
    this.#quote = quote
    this.#replyBar.hidden = !quote
    const text = quote ? `Replying to ${quote.username}: ${quote.excerpt}` : ''
    find(this.#replyBar, 'p', HTMLElement).textContent = text
    this.#text.focus()
  }

  /** Returns the message to reply to, and clears it. @returns {Quote | null} */
  takeQuote() {
    const quote = this.#quote
    if (quote) this.setReply(null)
    return quote
  }

  #send() {
    const text = this.#text.value.trim()
    if (!text) return this.#text.focus()
    this.#text.value = ''
    this.#listener.submitted(text, this.takeQuote())
    this.#text.focus()
  }

  /** @param {KeyboardEvent} event */
  #onKeyDown(event) {
    // During IME composition, Enter confirms the word.
    if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) {
      event.preventDefault()
      this.#send()
    }
    if (event.key === 'Escape' && this.#quote) this.setReply(null)
  }

  #listenForFiles() {
    const input = byId('file', HTMLInputElement)
    byId('attach', HTMLButtonElement).addEventListener('click', () => input.click())
    input.addEventListener('change', () => {
      this.#listener.filesChosen([...(input.files ?? [])])
      input.value = ''
    })
    this.#text.addEventListener('paste', (event) => this.#takeFiles(event, event.clipboardData))
    this.#form.addEventListener('dragover', (event) => {
      event.preventDefault()
      this.#form.classList.add('dropping')
    })
    this.#form.addEventListener('dragleave', () => this.#form.classList.remove('dropping'))
    this.#form.addEventListener('drop', (event) => {
      this.#form.classList.remove('dropping')
      this.#takeFiles(event, event.dataTransfer)
    })
  }

  /**
   * @param {Event} event
   * @param {DataTransfer | null} data
   */
  #takeFiles(event, data) {
    const files = [...(data?.files ?? [])]
    if (!files.length) return
    event.preventDefault()
    this.#listener.filesChosen(files)
  }
}
