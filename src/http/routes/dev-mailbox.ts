import { isIP } from 'node:net'
import type { FastifyPluginAsync, FastifyRequest } from 'fastify'
import { AppError } from '../../errors.ts'
import type { DeliveredLetter, HttpOptions } from '../options.ts'
import { escapeHtml } from '../pages/html.ts'

type MailboxOptions = Required<Pick<HttpOptions, 'mailbox'>>

/** The letters of a server in development, for whoever sits at its machine. */
export const devMailboxRoutes: FastifyPluginAsync<MailboxOptions> = async (app, { mailbox }) => {
  if (!mailbox) return
  const schema = { hide: true }

  app.addHook('onRequest', async (request, reply) => {
    if (!isFromThisMachine(request)) throw new AppError('not_found')
    reply.header('cache-control', 'no-store').header('cross-origin-resource-policy', 'same-origin')
  })

  app.get('/dev/mailbox.json', { schema }, async () =>
    mailbox.letters.map(({ to, subject, text, html, sent_at }) => ({ to, subject, text, html, sent_at })),
  )

  app.get('/dev/mailbox', { schema }, async (_request, reply) => {
    reply.type('text/html; charset=utf-8').header('content-security-policy', PAGE_POLICY)
    return page(mailbox.letters)
  })
}

/**
 * A proxy on this machine speaks for others, and a page of another site can make its own name point here: neither may read
 * the letters.
 */
function isFromThisMachine({ headers, socket }: FastifyRequest): boolean {
  const isForwarded = headers['x-forwarded-for'] !== undefined || headers.forwarded !== undefined
  return !isForwarded && isLoopback(socket.remoteAddress ?? '') && isLoopbackName(headers.host)
}

function isLoopback(address: string): boolean {
  return address === '::1' || (isIP(address) !== 0 && /^(::ffff:)?127\./.test(address))
}

function isLoopbackName(host: string | undefined): boolean {
  const url = `http://${host}`
  if (!host || !URL.canParse(url)) return false
  const name = new URL(url).hostname
  return /^([^.]+\.)*localhost$/.test(name) || isLoopback(name.replace(/^\[(.*)\]$/, '$1'))
}

const PAGE_POLICY =
  "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

function page(letters: readonly DeliveredLetter[]): string {
  const list = letters.map(article).join('\n') || '<p>No letters yet.</p>'
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
<p>Letters are not sent: they end here, newest first. Reload to see new ones.</p>
${list}
</html>
`
}

function article({ to, subject, text, sent_at }: DeliveredLetter): string {
  return `<article>
<h2>${escapeHtml(subject)}</h2>
<dl><dt>To</dt><dd>${escapeHtml(to)}</dd><dt>Sent</dt><dd>${escapeHtml(sent_at)}</dd></dl>
<pre>${linked(text)}</pre>
</article>`
}

/** The text with its addresses to click on. */
function linked(text: string): string {
  const pieces = text.split(/(https?:\/\/[^\s<>"]+)/)
  return pieces
    .map((piece, index) => {
      const safe = escapeHtml(piece)
      return index % 2 ? `<a href="${safe}" rel="noreferrer">${safe}</a>` : safe
    })
    .join('')
}
