import { answerOf } from './api.js'
import { byId } from './dom.js'

/**
 * A file to be sent, and how.
 * @typedef {object} Upload
 * @property {File} file
 * @property {'audio' | 'video'} [format] what a file is taken for that could be both
 * @property {string} [answeredId] the message it answers
 */

/**
 * Sends a file to the room, and shows how far it is. The message itself comes back over the socket.
 * @param {string} path
 * @param {Upload} upload
 * @returns {Promise<string>} what went wrong, if anything.
 */
export async function sendFile(path, { file, format, answeredId }) {
  const form = new FormData()
  // Fields that come after the file would be read too late.
  if (format) form.append('media_format', format)
  if (answeredId) form.append('previous_message_id', answeredId)
  form.append('file', file)

  const request = new XMLHttpRequest()
  const { row, bar } = addRow(file.name, () => request.abort())
  request.upload.addEventListener('progress', ({ loaded, total }) => {
    bar.max = total
    bar.value = loaded
  })
  const ended = new Promise((resolve) => {
    for (const type of ['load', 'error', 'abort']) request.addEventListener(type, () => resolve(type))
  })
  request.open('POST', path)
  request.setRequestHeader('accept', 'application/json')
  request.send(form)
  const outcome = await ended
  row.remove()
  if (outcome === 'abort') return ''
  return outcome === 'load' ? judge(request, file.name) : `${file.name}: the connection was lost. Try again.`
}

/**
 * @param {XMLHttpRequest} request
 * @param {string} name
 */
async function judge(request, name) {
  const { status, responseText } = request
  const type = request.getResponseHeader('content-type') ?? ''
  const response = new Response(responseText, { status, headers: { 'content-type': type } })
  const { ok, problem, fields } = await answerOf(response)
  const reasons = Object.values(fields).flat()
  return ok ? '' : `${name}: ${reasons.length ? `it ${reasons.join(', ')}.` : problem}`
}

/**
 * @param {string} name
 * @param {() => void} cancel
 */
function addRow(name, cancel) {
  const row = document.createElement('li')
  const label = Object.assign(document.createElement('span'), { textContent: name })
  const bar = Object.assign(document.createElement('progress'), {
    max: 1,
    value: 0,
    ariaLabel: `Sending ${name}`,
  })
  const made = {
    type: /** @type {const} */ ('button'),
    className: 'plain',
    textContent: 'Cancel',
    onclick: cancel,
  }
  row.append(label, bar, Object.assign(document.createElement('button'), made))
  byId('uploads', HTMLElement).append(row)
  return { row, bar }
}
