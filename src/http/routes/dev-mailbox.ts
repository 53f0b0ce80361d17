import type { FastifyPluginAsync, FastifyRequest } from 'fastify'
import { AppError } from '../../errors.ts'
import { escapeHtml } from '../../escape-html.ts'
import { isLoopbackAddress, isLoopbackUrl } from '../../loopback.ts'
import type { DeliveredEmail, HttpOptions } from '../options.ts'

type MailboxOptions = Required<Pick<HttpOptions, 'mailbox'>>

/** Shows the emails of a development server, to clients on its own machine. */
export const devMailboxRoutes: FastifyPluginAsync<MailboxOptions> = async (app, { mailbox }) => {
  if (!mailbox) return
  const schema = { hide: true }

  app.addHook('onRequest', async (request, reply) => {
    if (!isFromThisMachine(request)) throw new AppError('not_found')
    reply.header('cache-control', 'no-store').header('cross-origin-resource-policy', 'same-origin')
  })

  app.get('/dev/mailbox.json', { schema }, async () =>
    mailbox.emails.map(({ to, subject, text, html, sent_at }) => ({ to, subject, text, html, sent_at })),
  )

  app.get('/dev/mailbox', { schema }, async (_request, reply) => {
    reply.type('text/html; charset=utf-8').header('content-security-policy', PAGE_POLICY)
    return page(mailbox.emails)
  })
}

/** Headers that proxies add. */
const PROXY_HEADER = /^(x-forwarded-.*|x-real-ip|forwarded|via)$/

/**
 * Refuses a proxy on this machine, which may forward requests of others, and a page of another site by DNS rebinding. By default
 * nginx adds no header, but uses HTTP/1.0.
 */
function isFromThisMachine({ headers, raw, socket }: FastifyRequest): boolean {
  const isForwarded =
    raw.httpVersion === '1.0' || Object.keys(headers).some((name) => PROXY_HEADER.test(name))
  return (
    !isForwarded && isLoopbackAddress(socket.remoteAddress ?? '') && isLoopbackUrl(`http://${headers.host}`)
  )
}

const PAGE_POLICY =
  "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

function page(emails: readonly DeliveredEmail[]): string {
  const list = emails.map(article).join('\n') || '<p>No emails yet.</p>'
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Development mailbox</title>
<style>
  body { font: 1rem/1.5 system-ui, sans-serif; max-width: 44rem; margin: 2rem auto; padding: 0 1rem }
  article { border: 1px solid #8886; border-radius: .5rem; padding: 0 1rem; margin: 1rem 0 }
  dl { display: grid; grid-template-columns: max-content 1fr; gap: 0 1rem } dd { margin: 0 }
  pre { white-space: pre-wrap; overflow-wrap: anywhere; font: inherit }
</style>
<h1>Development mailbox</h1>
<p>This server does not send its emails. They are listed here, newest first. Reload to see new ones.</p>
${list}
</html>
`
}

function article({ to, subject, text, sent_at }: DeliveredEmail): string {
  return `<article>
<h2>${escapeHtml(subject)}</h2>
<dl><dt>To</dt><dd>${escapeHtml(to)}</dd><dt>Sent</dt><dd>${escapeHtml(sent_at)}</dd></dl>
<pre>${linked(text)}</pre>
</article>`
}

/** The text with its URLs as links. */
function linked(text: string): string {
  const pieces = text.split(/(https?:\/\/[^\s<>"]+)/)
  return pieces
    .map((piece, index) => {
      const safe = escapeHtml(piece)
      return index % 2 ? `<a href="${safe}" rel="noreferrer">${safe}</a>` : safe
    })
    .join('')
}
