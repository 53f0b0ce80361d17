import { byId, tell } from './dom.js'
import { loadMessage, loadPage } from './history.js'
import { renew } from './message.js'

/** @typedef {import('./timeline.js').Timeline} Timeline */

/**
 * What every page of a room can do, also of one who only reads: bring earlier messages, follow quotes, mend media.
 * @param {Timeline} timeline
 * @param {string} home the path of the latest messages
 */
export function readBack(timeline, home) {
  const earlier = byId('earlier', HTMLAnchorElement)
  earlier.addEventListener('click', (event) => {
    event.preventDefault()
    showEarlier(timeline)
  })
  const log = byId('log', HTMLElement)
  log.addEventListener('click', (event) => {
    const link = event.target instanceof Element && event.target.closest('.quote a')
    if (!(link instanceof HTMLAnchorElement)) return
    event.preventDefault()
    follow(timeline, link.hash.replace('#m-', ''))
  })
  // Errors of images do not bubble.
  log.addEventListener('error', ({ target }) => mend(target, home), { capture: true })
}

/**
 * Brings the messages before the first one to this page, in place of a page of their own.
 * @param {Timeline} timeline
 * @returns {Promise<boolean>} whether there were any
 */
async function showEarlier(timeline) {
  const link = byId('earlier', HTMLAnchorElement)
  if (link.hidden || link.ariaBusy === 'true') return false
  link.ariaBusy = 'true'
  const { pathname, search } = new URL(link.href)
  const { ok, problem, messages, previous } = await loadPage(pathname + search)
  link.ariaBusy = 'false'
  tell(byId('trouble', HTMLElement), problem)
  if (!ok) return false
  timeline.prepend(messages.reverse())
  if (previous) link.href = previous
  link.hidden = previous === null
  byId('told', HTMLElement).textContent = `${messages.length} earlier messages are shown`
  if (link.hidden) byId('log', HTMLElement).focus()
  return true
}

/**
 * Leads to a message, however far back it is.
 * @param {Timeline} timeline
 * @param {string} id
 */
async function follow(timeline, id) {
  while (!timeline.itemOf(id) && (await showEarlier(timeline)));
  const item = timeline.itemOf(id)
  if (item) timeline.show(item)
}

/**
 * The addresses of media are good for a while only: on a page that was open for longer, they are asked for anew, once.
 * @param {EventTarget | null} target
 * @param {string} home
 */
async function mend(target, home) {
  const item = target instanceof Element && target.closest('li')
  if (!item || item.dataset.mended) return
  item.dataset.mended = 'true'
  const message = await loadMessage(home, item.dataset.id ?? '')
  if (message) renew(item, message)
}
