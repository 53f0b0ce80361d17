import type { FastifyReply } from 'fastify'
import { assetUrl } from './assets.ts'
import { type Content, type Html, html } from './html.ts'

/** A page, without the parts that all pages share. */
export interface Page {
  /** The first part of the document title. */
  title: string
  /** The content of the header; the name of the site when absent. */
  header?: Html
  main: Content
  /** The script of the page in `assets/`. */
  script?: string
  /** Styles in `assets/`, besides those of all pages. */
  styles?: string[]
  /** The layout: a narrow column, a wide column, the whole window, or a reference with its contents beside it. */
  shape?: 'sheet' | 'list' | 'window' | 'reference'
}

/**
 * Sends a page that may load only what this server serves, and that is not cached.
 * @param publicUrl the origin of media and of the room socket.
 */
export function sendPage(reply: FastifyReply, page: Page, publicUrl: string): FastifyReply {
  return (
    reply
      .type('text/html; charset=utf-8')
      .header('content-security-policy', pagePolicy(publicUrl))
      .header('cache-control', 'no-store')
      .header('cross-origin-resource-policy', 'same-origin')
      // Without a referrer browsers send `Origin: null` with forms, which the same-origin check refuses.
      .header('referrer-policy', 'same-origin')
      .header('permissions-policy', 'camera=(self), microphone=(self), geolocation=()')
      .send(layout(page))
  )
}

function layout({ title, header, main, script, styles = [], shape = 'sheet' }: Page): string {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1, interactive-widget=resizes-content">
<meta name="color-scheme" content="light dark">
<title>${title} · Parley</title>
<link rel="icon" type="image/svg+xml" href="${assetUrl('icon.svg')}">
${['style.css', ...styles].map((name) => html`<link rel="stylesheet" href="${assetUrl(name)}">`)}
${script && html`<script type="module" src="${assetUrl(script)}"></script>`}
</head>
<body class="${shape}">
<a class="skip" href="#main">Skip to the content</a>
<header>${header ?? html`<a class="brand" href="/whisper">Parley</a>`}</header>
<main id="main" tabindex="-1">
${main}
</main>
</body>
</html>
`.toString()
}

function pagePolicy(publicUrl: string): string {
  const { origin } = new URL(publicUrl)
  const socket = origin.replace(/^http/, 'ws')
  return [
    `default-src 'none'`,
    `script-src 'self'`,
    `style-src 'self'`,
    `img-src 'self' blob: ${origin}`,
    `media-src 'self' blob: ${origin}`,
    `connect-src 'self' ${socket}`,
    `base-uri 'none'`,
    `form-action 'self'`,
    `frame-ancestors 'none'`,
  ].join('; ')
}
