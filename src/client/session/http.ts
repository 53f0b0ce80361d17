import { ConnectionError, ParleyError, RejectedError } from '../errors.ts'
import { retryDelay, sleep } from '../timing.ts'

const MAX_ATTEMPTS = 5
const REQUEST_TIMEOUT_MS = 30_000
/** Codes that a request is refused with before it has any effect. */
const NOT_BEGUN = new Set(['rate_limited'])
/** Codes after which a request that may be repeated is repeated. */
const TEMPORARY = new Set(['rate_limited', 'busy', 'unreachable', 'timeout'])

/** What a request consists of besides its method and path. */
export interface RequestOptions {
  body?: unknown
  token?: string | undefined
  headers?: Record<string, string>
  /** Whether a request whose outcome is unknown may be sent again. Default: whether its method is GET or HEAD. */
  repeatable?: boolean
  /** Aborts the request. Default: after 30 seconds. Whoever passes one limits the time. */
  signal?: AbortSignal
  /** Sends the request. */
  fetch?: (url: string, init: RequestInit) => Promise<Response>
}

/** The HTTP API of one server. */
export class HttpApi {
  readonly url: string

  constructor(url: string) {
    this.url = url.replace(/\/+$/, '')
  }

  /**
   * Sends a request, and again while the server is busy or limits requests, if that is safe.
   * @returns the body of the response. @throws RejectedError, ConnectionError
   */
  async request<T>(method: string, path: string, options: RequestOptions = {}): Promise<T> {
    const response = await this.respond(method, path, options)
    const text = await response.text().catch((cause) => Promise.reject(unreachable(cause)))
    // What the server sends is described by the schemas; a client relies on that.
    return (text === '' ? undefined : JSON.parse(text)) as T
  }

  /** Like `request`, but returns the response itself, whose status is not that of an error. */
  async respond(method: string, path: string, options: RequestOptions = {}): Promise<Response> {
    const { repeatable = method === 'GET' || method === 'HEAD' } = options
    for (let failures = 0; ; failures++) {
      try {
        return await this.#send(method, path, options)
      } catch (error) {
        const { code = '' } = error instanceof ParleyError ? error : {}
        const retries = repeatable ? TEMPORARY.has(code) : NOT_BEGUN.has(code)
        if (!retries || failures + 1 === MAX_ATTEMPTS) throw error
        await sleep(retryDelay(error, failures))
      }
    }
  }

  async #send(
    method: string,
    path: string,
    {
      body,
      token,
      headers,
      signal = AbortSignal.timeout(REQUEST_TIMEOUT_MS),
      fetch: send = fetch,
    }: RequestOptions,
  ): Promise<Response> {
    const isRaw = isBytes(body) || body instanceof FormData
    const all = {
      accept: 'application/json',
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...(body !== undefined && !isRaw && { 'content-type': 'application/json' }),
      ...headers,
    }
    const response = await send(this.url + path, {
      method,
      headers: all,
      signal,
      ...(body !== undefined && { body: isRaw ? body : JSON.stringify(body) }),
    }).catch((cause) => Promise.reject(unreachable(cause)))
    if (!response.ok) throw await rejection(response)
    return response
  }
}

/** Whether a body is bytes in a buffer of their own, as `fetch` takes them. */
function isBytes(body: unknown): body is Uint8Array<ArrayBuffer> {
  return body instanceof Uint8Array
}

function unreachable(cause: unknown): ConnectionError {
  const timedOut = cause instanceof Error && cause.name === 'TimeoutError'
  return new ConnectionError({ code: timedOut ? 'timeout' : 'unreachable', cause })
}

/** The error of a response. A proxy may have sent another body than the server would. */
async function rejection(response: Response): Promise<RejectedError> {
  const body: unknown = await response.json().catch(() => undefined)
  const { error, errors } = (body ?? {}) as {
    error?: { code?: string; message?: string }
    errors?: Record<string, string[]>
  }
  const seconds = Number(response.headers.get('retry-after') ?? Number.NaN)
  return new RejectedError({
    code: error?.code ?? codeOf(response.status),
    message: error?.message,
    status: response.status,
    ...(errors && { fields: errors }),
    ...(Number.isFinite(seconds) && { retryAfterMs: seconds * 1_000 }),
  })
}

/** The code of a response without one, such as that to a HEAD request. */
function codeOf(status: number): string {
  if (status === 401) return 'token_invalid'
  return status >= 502 ? 'busy' : `http_${status}`
}
