import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import {
  type Browser,
  type BrowserContext,
  type BrowserContextOptions,
  type ConsoleMessage,
  chromium,
  type Page,
} from 'playwright-core'
import { afterAll, expect, onTestFinished } from 'vitest'

const EXECUTABLE = '/usr/bin/chromium'

/** Long, for slow machines. */
const TIMEOUT_MS = 120_000

/** No sandbox, to run as root; a fake camera and microphone; no background requests to other servers. */
const ARGUMENTS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--use-fake-device-for-media-stream',
  '--use-fake-ui-for-media-stream',
]

let browser: Promise<Browser> | undefined

afterAll(async () => (await browser)?.close())

/** Opens a page in a browser context of its own. Errors in its console fail the test. */
export async function openBrowser(site: { url: string }, options: BrowserContextOptions = {}): Promise<Page> {
  browser ??= chromium.launch({ executablePath: EXECUTABLE, args: ARGUMENTS })
  const context = await (await browser).newContext({ baseURL: addressOf(site), ...options })
  context.setDefaultTimeout(TIMEOUT_MS)
  const errors = collectErrors(context)
  onTestFinished(async () => {
    await context.close()
    expect(errors).toEqual([])
  })
  return context.newPage()
}

/** The URL of a server with the host that its own links have. */
function addressOf({ url }: { url: string }): string {
  return url.replace('127.0.0.1', 'localhost')
}

/** Saves a screenshot if the environment has `SCREENSHOTS=folder`. */
export async function screenshot(page: Page, name: string): Promise<void> {
  const folder = process.env.SCREENSHOTS
  if (!folder) return
  mkdirSync(folder, { recursive: true })
  await page.screenshot({ path: join(folder, `${name}.png`) })
}

/** Expects the basics of an accessible page: language, title, labels, contrast, no horizontal scrolling. */
export async function expectAccessible(page: Page): Promise<void> {
  expect(await page.locator('html').getAttribute('lang')).toBe('en')
  expect(await page.title()).toMatch(/\S · Parley$/)
  expect(await page.locator('h1').count()).toBe(1)
  expect(await page.getByRole('main').count()).toBe(1)
  expect(await page.evaluate(UNLABELED_CONTROLS)).toEqual([])
  expect(await page.evaluate(DUPLICATE_IDS)).toEqual([])
  expect(await page.evaluate(LOW_CONTRAST_TEXTS)).toEqual([])
  expect(await page.evaluate(OVERFLOW), 'wider than the screen').toBeLessThanOrEqual(0)
}

const UNLABELED_CONTROLS = `[...document.querySelectorAll('a[href], button, input, textarea, select, audio, video, img')]
  .filter((element) => {
    const labels = [...(element.labels ?? [])].map((label) => label.textContent)
    const inside = [element.textContent, ...[...element.querySelectorAll('img')].map((image) => image.alt)]
    const names = [element.ariaLabel, element.alt, ...labels, ...(/^(A|BUTTON)$/.test(element.tagName) ? inside : [])]
    return !names.some((name) => name?.trim())
  })
  .map((element) => element.outerHTML)`

const DUPLICATE_IDS = `[...document.querySelectorAll('[id]')]
  .map((element) => element.id)
  .filter((id, index, ids) => ids.indexOf(id) !== index)`

/** Texts with a contrast below 4.5:1 (WCAG 2.2, 1.4.3), with the ratio. */
const LOW_CONTRAST_TEXTS = `(() => {
  const channels = (color) => color.match(/[\\d.]+/g).map(Number)
  const luminance = (color) => {
    const [r, g, b] = channels(color).map((value) => value / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    return 0.2126 * r + 0.7152 * g + 0.0722 * b
  }
  const background = (element) => {
    for (let one = element; one; one = one.parentElement) {
      const { backgroundColor } = getComputedStyle(one)
      if (channels(backgroundColor)[3] !== 0) return backgroundColor
    }
    return 'rgb(255, 255, 255)'
  }
  const ratio = (element) => {
    const [one, other] = [luminance(getComputedStyle(element).color), luminance(background(element))]
    return (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05)
  }
  return [...document.body.querySelectorAll('*')]
    .filter((element) => [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim()))
    .filter((element) => element.checkVisibility({ visibilityProperty: true, opacityProperty: true }))
    .filter((element) => ratio(element) < 4.5)
    .map((element) => ratio(element).toFixed(2) + ' ' + element.outerHTML.slice(0, 200))
})()`

const OVERFLOW = 'document.documentElement.scrollWidth - document.documentElement.clientWidth'

/** Collects script errors, failed loads and violations of the content security policy. */
function collectErrors(context: BrowserContext): string[] {
  const errors: string[] = []
  context.on('weberror', (error) => errors.push(String(error.error().stack)))
  context.on('console', (message) => {
    if (message.type() !== 'error' && message.type() !== 'warning') return
    if (!isFailedRequest(message)) errors.push(message.text())
  })
  return errors
}

/** Chromium logs every error response, and every request or WebSocket without a response, as an error of the page. */
function isFailedRequest(message: ConsoleMessage): boolean {
  if (/^WebSocket connection to .* failed: .*net::ERR_CONNECTION/.test(message.text())) return true
  const { pathname } = new URL(message.location().url, 'http://localhost')
  return (
    /^\/(api|auth)\/|^\/livez$/.test(pathname) &&
    /responded with a status of 4\d\d|net::ERR_CONNECTION/.test(message.text())
  )
}
