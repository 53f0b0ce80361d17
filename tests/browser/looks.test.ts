import { describe, expect, it } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { png, wav } from '../support/media.ts'
import { startSite } from '../support/site.ts'
import { expectAccessible, openBrowser, picture } from './browser.ts'
import { arrive, makeRoom } from './people.ts'
import { attach, message, say, shows, writing } from './writing.ts'

const LONG = 'W'.repeat(120)

describe.each([
  ['a small phone in the dark', { viewport: { width: 360, height: 640 }, colorScheme: 'dark' }],
  ['a large window in the light', { viewport: { width: 1400, height: 900 }, colorScheme: 'light' }],
] as const)('on %s', (name, options) => {
  it('every page fits and can be read, whatever is in it', async () => {
    const site = await startSite()
    const check = async (page: Parameters<typeof picture>[0], what: string) => {
      await picture(page, `${name.includes('dark') ? 'dark' : 'light'}-${what}`)
      await expectAccessible(page)
    }
    const stranger = await openBrowser(site, options)
    for (const path of ['', '/sign-up', '/mail', '/code', '/two-factor', '/rooms/nothing/people']) {
      await stranger.goto(`/whisper${path}`)
      await check(stranger, path.replaceAll('/', '-') || 'home')
    }

    const ann = await arrive(site, `Ann${LONG.slice(3)}`, options)
    const { page } = ann
    const path = await makeRoom(LONG, [ann])
    await makeRoom('Garden club', [ann])
    const bob = await arrive(site, 'Bob')
    await makeRoom('Reading circle', [bob])
    await page.goto('/whisper')
    await check(page, 'rooms')
    await page.goto(path)
    await shows(page, '1 here now')
    await say(page, LONG)
    await message(page, LONG).getByRole('button', { name: 'Reply' }).click()
    await check(page, 'replying')
    await say(page, `https://example.com/${LONG}`)
    await attach(page, { name: 'wide.png', mimeType: 'image/png', buffer: png({ width: 2000, height: 40 }) })
    await attach(page, { name: 'song.wav', mimeType: 'audio/wav', buffer: wav() })
    await page.getByLabel(/^Sound from/).waitFor()
    await say(page, 'One line.\nAnd another.')
    await message(page, 'And another.').waitFor()
    await check(page, 'room')
    await page.getByRole('link', { name: 'People' }).click()
    await page.getByLabel('A part of their name').fill('bob')
    await page.keyboard.press('Enter')
    await page.getByRole('button', { name: 'Add Bob' }).waitFor()
    await check(page, 'people')
  })
})

describe('in a room, the keyboard', () => {
  it('is enough for everything, and does not get lost', async () => {
    const ann = await arrive(await startSite(), 'Ann')
    const { page } = ann
    await page.goto(await makeRoom('Garden club', [ann]))
    await shows(page, '1 here now')
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
    const said = message(page, 'One')
    await said.waitFor()
    expect(await said.locator('.text').textContent()).toBe('One\ntwo')
    await page.keyboard.press('Shift+Tab')
    expect(await page.locator(':focus').getAttribute('aria-label')).toBe('Reply to Ann')
    await page.keyboard.press('Enter')
    await page.getByText('Replying to Ann').waitFor()
    await page.keyboard.press('Escape')
    await page.getByText('Replying to Ann').waitFor({ state: 'hidden' })
    expect(await writing(page).evaluate('(node) => node === document.activeElement')).not.toBe(false)

    const button = page.getByRole('button', { name: 'Record sound' })
    await button.focus()
    await page.keyboard.press('Enter')
    const dialog = page.getByRole('dialog')
    await dialog.getByText('0:01').waitFor()
    expect(await page.locator(':focus').textContent()).toBe('Stop')
    await page.keyboard.press('Escape')
    await dialog.waitFor({ state: 'hidden' })
    expect(await page.locator(':focus').getAttribute('aria-label')).toBe('Record sound')
    expect(await page.getByLabel('Sound from Ann').count()).toBe(0)
  })
})

describe('a page that was open for long', () => {
  it('asks for new links to media when the old ones have expired', async () => {
    const site = await startSite()
    const ann = await arrive(site, 'Ann')
    // Browsers keep what they have loaded, unless somebody looks at what they ask for.
    await ann.page.route('**/api/v1/chat/media/**', (route) => route.continue())
    await ann.page.goto(await makeRoom('Garden club', [ann]))
    await attach(ann.page, { name: 'song.wav', mimeType: 'audio/wav', buffer: wav() })
    const sound = ann.page.getByLabel('Sound from Ann')
    await sound.waitFor()
    const link = await sound.getAttribute('src')
    site.clock.advance(2 * 60 * 60_000)
    await sound.evaluate((node) => (node as unknown as { load(): void }).load())
    await eventually(async () => {
      expect(await sound.getAttribute('src')).not.toBe(link)
      const length = await sound.evaluate((node) => (node as unknown as { duration: number }).duration)
      expect(length).toBeGreaterThan(0)
    })
  })
})

describe('without scripts', () => {
  it('a room can be read, page by page', async () => {
    const site = await startSite()
    const ann = await arrive(site, 'Ann', { javaScriptEnabled: false })
    const bob = await arrive(site, 'Bob')
    const path = await makeRoom('Garden club', [bob, ann])
    await bob.page.goto(path)
    for (let count = 1; count <= 12; count++) await say(bob.page, `Message ${count}.`)
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
