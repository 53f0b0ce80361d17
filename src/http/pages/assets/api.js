/**
 * The result of a request.
 * @typedef {object} Result
 * @property {boolean} ok
 * @property {number} status 0 without a response
 * @property {Record<string, unknown>} body
 * @property {string} problem the error as a sentence for the user; empty on success
 * @property {Record<string, string[]>} fields the errors of each field
 */

const UNREACHABLE = 'The server cannot be reached. Check your connection and try again.'

/**
 * Sends a JSON request to this site.
 * @param {string} method
 * @param {string} path
 * @param {object} [body]
 * @returns {Promise<Result>}
 */
export async function send(method, path, body) {
  const headers = { accept: 'application/json', 'content-type': 'application/json' }
  try {
    // Redirects are for forms that are sent without a script.
    const init = { method, headers, redirect: /** @type {const} */ ('manual') }
    const response = await fetch(path, {
      ...init,
      ...(method !== 'GET' && { body: JSON.stringify(body ?? {}) }),
    })
    return await readResult(response)
  } catch {
    return { ok: false, status: 0, body: {}, problem: UNREACHABLE, fields: {} }
  }
}

/**
 * Reads a response.
 * @param {Response} response
 * @returns {Promise<Result>}
 */
export async function readResult(response) {
  const ok = response.ok || response.type === 'opaqueredirect'
  const text = await response.text()
  const isJson = response.headers.get('content-type')?.includes('json')
  return { ok, status: response.status, ...readBody(ok, isJson && text ? JSON.parse(text) : {}, response) }
}

/**
 * @param {boolean} ok
 * @param {{ error?: { message: string }, errors?: Record<string, string[]> }} body
 * @param {Response} response
 */
function readBody(ok, body, { headers, status }) {
  const wait = Number(headers.get('retry-after'))
  const message = body.error?.message ?? `The server responded with status ${status}. Try again later.`
  const seconds = `${wait} ${wait === 1 ? 'second' : 'seconds'}`
  const problem =
    status === 429 && wait > 0 ? message.replace(/Try again later\.$/, `Try again in ${seconds}.`) : message
  return { body, problem: ok ? '' : problem, fields: body.errors ?? {} }
}
