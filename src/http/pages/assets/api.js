/**
 * What a request came to.
 * @typedef {object} Answer
 * @property {boolean} ok
 * @property {number} status 0 when no answer came at all
 * @property {Record<string, unknown>} body
 * @property {string} problem what went wrong, for the reader; empty when nothing did
 * @property {Record<string, string[]>} fields what is wrong with each field
 */

const UNREACHABLE = 'The server cannot be reached. Check your connection, then try again.'

/**
 * Sends a request of this site, as JSON.
 * @param {string} method
 * @param {string} path
 * @param {object} [body]
 * @returns {Promise<Answer>}
 */
export async function send(method, path, body) {
  const headers = { accept: 'application/json', 'content-type': 'application/json' }
  try {
    // A redirect is for people who came without a script.
    const init = { method, headers, redirect: /** @type {const} */ ('manual') }
    const response = await fetch(path, {
      ...init,
      ...(method !== 'GET' && { body: JSON.stringify(body ?? {}) }),
    })
    return await answerOf(response)
  } catch {
    return { ok: false, status: 0, body: {}, problem: UNREACHABLE, fields: {} }
  }
}

/**
 * Reads what came back.
 * @param {Response} response
 * @returns {Promise<Answer>}
 */
export async function answerOf(response) {
  const ok = response.ok || response.type === 'opaqueredirect'
  const text = await response.text()
  const isJson = response.headers.get('content-type')?.includes('json')
  return { ok, status: response.status, ...judge(ok, isJson && text ? JSON.parse(text) : {}, response) }
}

/**
 * @param {boolean} ok
 * @param {{ error?: { message: string }, errors?: Record<string, string[]> }} body
 * @param {Response} response
 */
function judge(ok, body, { headers, status }) {
  const wait = Number(headers.get('retry-after'))
  const problem = body.error?.message ?? `The server answered with ${status}. Try again in a moment.`
  const patience =
    status === 429 && wait > 0 ? ` In ${wait} ${wait === 1 ? 'second' : 'seconds'} you can.` : ''
  return { body, problem: ok ? '' : problem + patience, fields: body.errors ?? {} }
}
