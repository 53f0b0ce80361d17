import { send } from './api.js'
import { fromHistory } from './message.js'

/** @typedef {import('./message.js').Message} Message */
/** @typedef {import('./api.js').Result} Result */

/**
 * A page of messages, newest first.
 * @typedef {{ messages: Message[], previous: string | null }} Page
 */

/** After more pages than these, reloading the room is cheaper. */
const MAX_PAGES = 20

/**
 * Loads a page of messages.
 * @param {string} path
 * @returns {Promise<Result & Page>}
 */
export async function loadPage(path) {
  const result = await send('GET', path)
  const { results = [], previous_messages = null } =
    /** @type {{ results?: import('./message.js').RawMessage[], previous_messages?: string | null }} */ (
      result.body
    )
  return {
    ...result,
    messages: results.map(fromHistory),
    previous: previous_messages && pathOf(previous_messages),
  }
}

/**
 * The messages after the newest known one, oldest first; undefined when there are too many. @throws when loading fails.
 * @param {string} path of the first page
 * @param {(message: Message) => boolean} isKnown
 * @returns {Promise<Message[] | undefined>}
 */
export async function loadSince(path, isKnown) {
  const missed = []
  for await (const message of messagesFrom(path)) {
    if (!message) return undefined
    if (isKnown(message)) break
    missed.push(message)
  }
  return missed.reverse()
}

/**
 * A message with new media URLs; undefined when it is too old or loading fails.
 * @param {string} path of the first page
 * @param {string} id
 */
export async function loadMessage(path, id) {
  try {
    for await (const message of messagesFrom(path)) if (message?.id === id) return message
  } catch {
    return undefined
  }
}

/**
 * Messages, newest first, and then undefined if there are more than `MAX_PAGES` pages. @throws when loading fails.
 * @param {string} path
 * @returns {AsyncGenerator<Message | undefined, void>}
 */
async function* messagesFrom(path) {
  /** @type {string | null} */
  let next = path
  for (let count = 0; next && count < MAX_PAGES; count++) {
    const { ok, problem, messages, previous } = await loadPage(next)
    if (!ok) throw new Error(problem)
    yield* messages
    next = previous
  }
  if (next) yield undefined
}

/**
 * The path of a URL. The server builds URLs with its configured address; the browser may use another name for it.
 * @param {string} url
 */
function pathOf(url) {
  const { pathname, search } = new URL(url, location.href)
  return pathname + search
}
