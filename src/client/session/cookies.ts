import type { RequestOptions } from './http.ts'

/**
 * A `fetch` that keeps cookies, in memory, where the environment keeps none. Browsers keep cookies of their own origin themselves
 * and hide them from scripts: there this adds nothing. Redirects are not followed: they lead to pages for people.
 */
export function fetchWithCookies(): NonNullable<RequestOptions['fetch']> {
  const cookies = new Map<string, string>()
  return async (url, init) => {
    const headers = new Headers(init.headers)
    if (cookies.size) headers.set('cookie', [...cookies].map((pair) => pair.join('=')).join('; '))
    const response = await fetch(url, { ...init, headers, redirect: 'manual' })
    for (const line of response.headers.getSetCookie()) keep(cookies, line)
    return isRedirect(response) ? new Response(null, { status: 204 }) : response
  }
}

/** Stores a cookie of a `Set-Cookie` header (RFC 6265, section 5.2). An empty value deletes it, as the server does. */
function keep(cookies: Map<string, string>, line: string): void {
  const [, name = '', value = ''] = /^([^=;]*)=([^;]*)/.exec(line) ?? []
  if (value) cookies.set(name, value)
  else cookies.delete(name)
}

/** Browsers show a redirect without its status. */
function isRedirect({ type, status }: Response): boolean {
  return type === 'opaqueredirect' || (status >= 300 && status < 400)
}
