import { describe, expect, it } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { png, wav } from '../support/media.ts'
import { startPublicApp } from '../support/public-app.ts'
import { expectAccessible, openBrowser, screenshot } from './browser.ts'
import { attach, message, messageInput, sendMessage, waitForText } from './room-actions.ts'
import { createRoom, signUp } from './users.ts'

const LONG = 'W'.repeat(120)

describe.each([
  ['a small phone in dark mode', { viewport: { width: 360, height: 640 }, colorScheme: 'dark' }],
  ['a large window in light mode', { viewport: { width: 1400, height: 900 }, colorScheme: 'light' }],
] as const)('on %s', (name, options) => {
  it('every page fits the screen and is readable, even with long words', async () => {
    const site = await startPublicApp()
    const check = async (page: Parameters<typeof screenshot>[0], what: string) => {
      await screenshot(page, `${name.includes('dark') ? 'dark' : 'light'}-${what}`)
      await expectAccessible(page)
    }
    const visitor = await openBrowser(site, options)
    for (const path of ['', '/sign-up', '/mail', '/code', '/two-factor', '/rooms/nothing/people']) {
      await visitor.goto(`/whisper${path}`)
      await check(visitor, path.replaceAll('/', '-') || 'home')
    }

    const ann = await signUp(site, `Ann${LONG.slice(3)}`, options)
    const { page } = ann
    const path = await createRoom(LONG, [ann])
    await createRoom('Garden club', [ann])
    const bob = await signUp(site, 'Bob')
    await createRoom('Reading circle', [bob])
    await page.goto('/whisper')
    await check(page, 'rooms')
    await page.goto(path)
    await waitForText(page, '1 online')
    await sendMessage(page, LONG)
    await message(page, LONG).getByRole('button', { name: 'Reply' }).click()
    await check(page, 'replying')
    await sendMessage(page, `https://example.com/${LONG}`)
    await attach(page, { name: 'wide.png', mimeType: 'image/png', buffer: png({ width: 2000, height: 40 }) })
    await attach(page, { name: 'song.wav', mimeType: 'audio/wav', buffer: wav() })
    await page.getByLabel(/^Audio from/).waitFor()
    await sendMessage(page, 'One line.\nAnd another.')
    await message(page, 'And another.').waitFor()
    await check(page, 'room')
    await page.getByRole('link', { name: 'People' }).click()
    await page.getByLabel('Part of a name').fill('bob')
    await page.keyboard.press('Enter')
    await page.getByRole('button', { name: 'Add Bob' }).waitFor()
    await check(page, 'people')
  })
})

describe('in a room, the keyboard', () => {
  it('reaches every control, and keeps the focus visible', async () => {
    const ann = await signUp(await startPublicApp(), 'Ann')
    const { page } = ann
    await page.goto(await createRoom('Garden club', [ann]))
    await waitForText(page, '1 online')
    await page.keyboard.press('Tab')
    expect(await page.locator(':focus').textContent()).toBe('Skip to the content')
    await page.keyboard.press('Enter')
    await page.keyboard.press('Tab')
    expect(await page.locator(':focus').getAttribute('role')).toBe('log')
    await page.keyboard.press('Tab')
    expect(await page.locator(':focus').getAttribute('id')).toBe('text')

    await page.keyboard.type('One')
    await page.keyboard.press('Shift+Enter')
    await page.keyboard.type('two')
    await page.keyboard.press('Enter')
    const sent = message(page, 'One')
    await sent.waitFor()
    expect(await sent.locator('.text').textContent()).toBe('One\ntwo')
    await page.keyboard.press('Shift+Tab')
    expect(await page.locator(':focus').getAttribute('aria-label')).toBe('Reply to Ann')
    await page.keyboard.press('Enter')
    await page.getByText('Replying to Ann').waitFor()
    await page.keyboard.press('Escape')
    await page.getByText('Replying to Ann').waitFor({ state: 'hidden' })
    expect(await messageInput(page).evaluate('(node) => node === document.activeElement')).not.toBe(false)

    const button = page.getByRole('button', { name: 'Record audio' })
    await button.focus()
    await page.keyboard.press('Enter')
    const dialog = page.getByRole('dialog')
    await dialog.getByText('0:01').waitFor()
    expect(await page.locator(':focus').textContent()).toBe('Stop')
    await page.keyboard.press('Escape')
    await dialog.waitFor({ state: 'hidden' })
    expect(await page.locator(':focus').getAttribute('aria-label')).toBe('Record audio')
    expect(await page.getByLabel('Audio from Ann').count()).toBe(0)
  })
})

describe('a page that was open for two hours', () => {
  it('requests new media URLs when the old ones have expired', async () => {
    const site = await startPublicApp()
    const ann = await signUp(site, 'Ann')
    // Interception turns off the browser cache.
    await ann.page.route('**/api/v1/chat/media/**', (route) => route.continue())
    await ann.page.goto(await createRoom('Garden club', [ann]))
    await attach(ann.page, { name: 'song.wav', mimeType: 'audio/wav', buffer: wav() })
    const audio = ann.page.getByLabel('Audio from Ann')
    await audio.waitFor()
    const link = await audio.getAttribute('src')
    site.clock.advance(2 * 60 * 60_000)
    await audio.evaluate((node) => (node as unknown as { load(): void }).load())
    await eventually(async () => {
      expect(await audio.getAttribute('src')).not.toBe(link)
      const length = await audio.evaluate((node) => (node as unknown as { duration: number }).duration)
      expect(length).toBeGreaterThan(0)
    })
  })
})

describe('without scripts', () => {
  it('a room is readable, one page at a time', async () => {
    const site = await startPublicApp()
    const ann = await signUp(site, 'Ann', { javaScriptEnabled: false })
    const bob = await signUp(site, 'Bob')
    const path = await createRoom('Garden club', [bob, ann])
    await bob.page.goto(path)
    for (let count = 1; count <= 12; count++) await sendMessage(bob.page, `Message ${count}.`)
    await message(bob.page, 'Message 12.').waitFor()
    await ann.page.goto(path)
    expect(await ann.page.locator('.message').count()).toBe(10)
    await ann.page.getByRole('link', { name: 'Earlier messages' }).click()
    await message(ann.page, 'Message 2.').waitFor()
    expect(await ann.page.locator('.message').count()).toBe(2)
    await ann.page.getByRole('link', { name: 'Go to the latest' }).click()
    await message(ann.page, 'Message 12.').waitFor()
  })
})
