import { send } from './api.js'
import { fromHistory } from './message.js'

/** @typedef {import('./message.js').Message} Message */
/** @typedef {import('./api.js').Answer} Answer */

/**
 * A page of what was said, newest first.
 * @typedef {{ messages: Message[], previous: string | null }} Page
 */

/** Pages one is ready to go through; who was away for longer had better begin anew. */
const MOST_PAGES = 20

/**
 * Asks for a page.
 * @param {string} path
 * @returns {Promise<Answer & Page>}
 */
export async function loadPage(path) {
  const answer = await send('GET', path)
  const { results = [], previous_messages = null } =
    /** @type {{ results?: import('./message.js').Wire[], previous_messages?: string | null }} */ (
      answer.body
    )
  return {
    ...answer,
    messages: results.map(fromHistory),
    previous: previous_messages && local(previous_messages),
  }
}

/**
 * What was said since a message that is known, oldest first; undefined when it is too much. @throws when it cannot be had.
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
 * A message as it is now, with addresses that are good for a while; undefined when it is too far back, or cannot be had.
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
 * Messages, newest first, and an undefined one where there are more than one is ready to read. @throws when they cannot be had.
 * @param {string} path
 * @returns {AsyncGenerator<Message | undefined, void>}
 */
async function* messagesFrom(path) {
  /** @type {string | null} */
  let next = path
  for (let count = 0; next && count < MOST_PAGES; count++) {
    const { ok, problem, messages, previous } = await loadPage(next)
    if (!ok) throw new Error(problem)
    yield* messages
    next = previous
  }
  if (next) yield undefined
}

/**
 * The site may be reached under more names than the one it knows of itself.
 * @param {string} url
 */
function local(url) {
  const { pathname, search } = new URL(url, location.href)
  return pathname + search
}
