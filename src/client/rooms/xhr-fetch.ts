/** The part of `XMLHttpRequest` that is used: Node has none. */
interface Xhr {
  readonly status: number
  readonly responseText: string
  readonly upload: { onprogress: (event: { loaded: number }) => void }
  onload: () => void
  onerror: () => void
  onabort: () => void
  open(method: string, url: string): void
  setRequestHeader(name: string, value: string): void
  getResponseHeader(name: string): string | null
  send(body: unknown): void
  abort(): void
}

/** A `fetch` that tells how much of the body was sent, where the environment can tell. */
export function xhrFetch(
  onProgress: (sent: number) => void,
): (url: string, init: RequestInit) => Promise<Response> {
  // The types of the server's environment lack it.
  const { XMLHttpRequest } = globalThis as unknown as { XMLHttpRequest?: new () => Xhr }
  if (!XMLHttpRequest) return fetch
  return (url, { method = 'GET', headers, body, signal }) =>
    new Promise((resolve, reject) => {
      const xhr = new XMLHttpRequest()
      xhr.open(method, url)
      new Headers(headers).forEach((value, name) => {
        xhr.setRequestHeader(name, value)
      })
      xhr.upload.onprogress = ({ loaded }) => onProgress(loaded)
      xhr.onload = () => resolve(responseOf(xhr))
      xhr.onerror = () => reject(new TypeError('The request failed.'))
      xhr.onabort = () => reject(signal?.reason)
      signal?.addEventListener('abort', () => xhr.abort())
      xhr.send(body)
    })
}

function responseOf(xhr: Xhr): Response {
  const retryAfter = xhr.getResponseHeader('retry-after')
  return new Response(xhr.responseText, {
    status: xhr.status,
    headers: retryAfter === null ? {} : { 'retry-after': retryAfter },
  })
}
