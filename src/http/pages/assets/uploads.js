import { readResult } from './api.js'
import { byId } from './dom.js'

/**
 * A file to upload.
 * @typedef {object} Upload
 * @property {File} file
 * @property {'audio' | 'video'} [format] for containers that can be either
 * @property {string} [repliedToId] the message it replies to
 */

/**
 * Uploads a file to the room, and shows the progress. The message is received over the socket.
 * @param {string} path
 * @param {Upload} upload
 * @returns {Promise<string>} the error as a sentence; empty on success.
 */
export async function sendFile(path, { file, format, repliedToId }) {
  const form = new FormData()
  // The server reads the form as a stream: fields must come before the file.
  if (format) form.append('media_format', format)
  if (repliedToId) form.append('previous_message_id', repliedToId)
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
  return outcome === 'load'
    ? problemOf(request, file.name)
    : `${file.name}: the connection was lost. Try again.`
}

/**
 * @param {XMLHttpRequest} request
 * @param {string} name
 */
async function problemOf(request, name) {
  const { status, responseText } = request
  const type = request.getResponseHeader('content-type') ?? ''
  const response = new Response(responseText, { status, headers: { 'content-type': type } })
  const { ok, problem, fields } = await readResult(response)
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
  const properties = {
    type: /** @type {const} */ ('button'),
    className: 'plain',
    textContent: 'Cancel',
    onclick: cancel,
  }
  row.append(label, bar, Object.assign(document.createElement('button'), properties))
  byId('uploads', HTMLElement).append(row)
  return { row, bar }
}
