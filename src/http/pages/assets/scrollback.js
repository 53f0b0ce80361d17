import { byId, showText } from './dom.js'
import { loadMessage, loadPage } from './history.js'
import { replaceMediaUrl } from './message.js'

/** @typedef {import('./timeline.js').Timeline} Timeline */

/**
 * Loads earlier messages, follows quotes and renews expired media URLs, on every page of a room.
 * @param {Timeline} timeline
 * @param {string} home the path of the latest messages
 */
export function enableScrollback(timeline, home) {
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
  log.addEventListener('error', ({ target }) => renewMedia(target, home), { capture: true })
}

/**
 * Loads the messages before the first one into this page.
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
  showText(byId('trouble', HTMLElement), problem)
  if (!ok) return false
  timeline.prepend(messages.reverse())
  if (previous) link.href = previous
  link.hidden = previous === null
  byId('announcement', HTMLElement).textContent = `${messages.length} earlier messages loaded`
  if (link.hidden) byId('log', HTMLElement).focus()
  return true
}

/**
 * Scrolls to a message, and loads earlier ones until it is found.
 * @param {Timeline} timeline
 * @param {string} id
 */
async function follow(timeline, id) {
  while (!timeline.itemOf(id) && (await showEarlier(timeline)));
  const item = timeline.itemOf(id)
  if (item) timeline.highlight(item)
}

/**
 * Media URLs expire. Requests a new one, once, when loading fails.
 * @param {EventTarget | null} target
 * @param {string} home
 */
async function renewMedia(target, home) {
  const item = target instanceof Element && target.closest('li')
  if (!item || item.dataset.renewed) return
  item.dataset.renewed = 'true'
  const message = await loadMessage(home, item.dataset.id ?? '')
  if (message) replaceMediaUrl(item, message)
}
