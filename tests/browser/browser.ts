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

/** A machine may be slow: what does not come within this time will not come. */
const PATIENCE_MS = 120_000

/** Root has no sandbox; the camera and the microphone are pretended; nothing but the server under test is talked to. */
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

/** A person's own browser: its cookies are nobody else's. What it complains about fails the test. */
export async function openBrowser(site: { url: string }, options: BrowserContextOptions = {}): Promise<Page> {
  browser ??= chromium.launch({ executablePath: EXECUTABLE, args: ARGUMENTS })
  const context = await (await browser).newContext({ baseURL: addressOf(site), ...options })
  context.setDefaultTimeout(PATIENCE_MS)
  const complaints = listenForComplaints(context)
  onTestFinished(async () => {
    await context.close()
    expect(complaints).toEqual([])
  })
  return context.newPage()
}

/** The address of a server, as its own links say it. */
export function addressOf({ url }: { url: string }): string {
  return url.replace('127.0.0.1', 'localhost')
}

/** With `SCREENSHOTS=folder`, keeps a picture of what is on the screen there, for people to look at. */
export async function picture(page: Page, name: string): Promise<void> {
  const folder = process.env.SCREENSHOTS
  if (!folder) return
  mkdirSync(folder, { recursive: true })
  await page.screenshot({ path: join(folder, `${name}.png`) })
}

/** What everybody should be able to count on, whatever they see the page with. */
export async function expectAccessible(page: Page): Promise<void> {
  expect(await page.locator('html').getAttribute('lang')).toBe('en')
  expect(await page.title()).toMatch(/\S · Parley$/)
  expect(await page.locator('h1').count()).toBe(1)
  expect(await page.getByRole('main').count()).toBe(1)
  expect(await page.evaluate(NAMELESS_CONTROLS)).toEqual([])
  expect(await page.evaluate(DOUBLE_IDS)).toEqual([])
  expect(await page.evaluate(FAINT_TEXTS)).toEqual([])
  expect(await page.evaluate(OVERFLOW), 'wider than the screen').toBeLessThanOrEqual(0)
}

const NAMELESS_CONTROLS = `[...document.querySelectorAll('a[href], button, input, textarea, select, audio, video, img')]
  .filter((element) => {
    const labels = [...(element.labels ?? [])].map((label) => label.textContent)
    const inside = [element.textContent, ...[...element.querySelectorAll('img')].map((image) => image.alt)]
    const names = [element.ariaLabel, element.alt, ...labels, ...(/^(A|BUTTON)$/.test(element.tagName) ? inside : [])]
    return !names.some((name) => name?.trim())
  })
  .map((element) => element.outerHTML)`

const DOUBLE_IDS = `[...document.querySelectorAll('[id]')]
  .map((element) => element.id)
  .filter((id, index, ids) => ids.indexOf(id) !== index)`

/** Texts whose colour is too close to the one behind them (WCAG 2.2, 1.4.3), with the ratio. */
const FAINT_TEXTS = `(() => {
  const channels = (color) => color.match(/[\\d.]+/g).map(Number)
  const light = (color) => {
    const [r, g, b] = channels(color).map((value) => value / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    return 0.2126 * r + 0.7152 * g + 0.0722 * b
  }
  const ground = (element) => {
    for (let one = element; one; one = one.parentElement) {
      const { backgroundColor } = getComputedStyle(one)
      if (channels(backgroundColor)[3] !== 0) return backgroundColor
    }
    return 'rgb(255, 255, 255)'
  }
  const ratio = (element) => {
    const [one, other] = [light(getComputedStyle(element).color), light(ground(element))]
    return (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05)
  }
  return [...document.body.querySelectorAll('*')]
    .filter((element) => [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim()))
    .filter((element) => element.checkVisibility({ visibilityProperty: true, opacityProperty: true }))
    .filter((element) => ratio(element) < 4.5)
    .map((element) => ratio(element).toFixed(2) + ' ' + element.outerHTML.slice(0, 200))
})()`

const OVERFLOW = 'document.documentElement.scrollWidth - document.documentElement.clientWidth'

/** Errors of scripts, of what could not be loaded, and of what the policy of the page forbids. */
function listenForComplaints(context: BrowserContext): string[] {
  const complaints: string[] = []
  context.on('weberror', (error) => complaints.push(String(error.error().stack)))
  context.on('console', (message) => {
    if (message.type() !== 'error' && message.type() !== 'warning') return
    if (!isRefusal(message)) complaints.push(message.text())
  })
  return complaints
}

/** Chromium takes every answer that says no, or does not come, for an error of the page. */
function isRefusal(message: ConsoleMessage): boolean {
  const { pathname } = new URL(message.location().url, 'http://localhost')
  return (
    pathname.startsWith('/api/') &&
    /responded with a status of 4\d\d|net::ERR_CONNECTION/.test(message.text())
  )
}
