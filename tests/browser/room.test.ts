import type { Locator, Page } from 'playwright-core'
import { describe, expect, it } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { png, wav } from '../support/media.ts'
import { startPublicApp } from '../support/public-app.ts'
import { expectAccessible, screenshot } from './browser.ts'
import { attach, message, messageInput, sendMessage, waitForText } from './room-actions.ts'
import { createRoom, signUp } from './users.ts'

const PHONE = { viewport: { width: 360, height: 500 }, hasTouch: true, isMobile: true }

/** A room with Ann on a desktop and Bob on a phone in dark mode. */
async function openRoom() {
  const site = await startPublicApp()
  const ann = await signUp(site, 'Ann')
  const bob = await signUp(site, 'Bob', { ...PHONE, colorScheme: 'dark' })
  const path = await createRoom('Garden club', [ann, bob])
  const [annPage, bobPage] = [ann.page, bob.page]
  await annPage.goto(path)
  await bobPage.goto(path)
  await waitForText(annPage, '2 online')
  await waitForText(bobPage, '2 online')
  return { site, ann, bob, annPage, bobPage, path }
}

describe('a room with two members', () => {
  it('shows messages, links and replies to both', async () => {
    const { annPage, bobPage } = await openRoom()
    await sendMessage(annPage, 'Hello, Bob!\nSee https://example.com/roses.')
    const hello = message(bobPage, 'Hello, Bob!')
    await hello.waitFor()
    expect(await hello.getByRole('link').getAttribute('href')).toBe('https://example.com/roses')
    expect(await hello.locator('.byline').textContent()).toMatch(/^Ann \d+:\d\d/)

    await hello.getByRole('button', { name: 'Reply to Ann' }).tap()
    await bobPage.getByText('Replying to Ann: Hello, Bob!').waitFor()
    await sendMessage(bobPage, 'Lovely <b>roses</b>')
    const reply = message(annPage, 'Lovely <b>roses</b>')
    await reply.waitFor()
    expect(await reply.getByRole('blockquote').textContent()).toMatch(/^Ann Hello, Bob!/)
    expect(await bobPage.getByText('Replying to').isVisible()).toBe(false)
    expect(await annPage.locator('.pending').count()).toBe(0)

    await reply.getByRole('blockquote').getByRole('link').click()
    await annPage.locator('.found', { hasText: 'Hello, Bob!' }).waitFor()
  })

  it('shows who is typing and how many are online', async () => {
    const { annPage, bobPage } = await openRoom()
    // With a stopped clock, typing does not time out.
    for (const page of [annPage, bobPage]) {
      await page.clock.install()
      await page.clock.pauseAt('2030-01-01')
    }
    const typing = bobPage.getByText('Ann is typing…')
    await messageInput(annPage).pressSequentially('Hm')
    await typing.waitFor()
    await messageInput(annPage).fill('')
    await typing.waitFor({ state: 'hidden' })
    await messageInput(annPage).pressSequentially('So')
    await typing.waitFor()
    await messageInput(annPage).press('Enter')
    await message(bobPage, 'So').waitFor()
    await typing.waitFor({ state: 'hidden' })

    await bobPage.goto('/whisper')
    await waitForText(annPage, '1 online')
  })

  it('shows images, audio and video, recorded or attached, also as replies', async () => {
    const { annPage, bobPage } = await openRoom()
    await attach(annPage, {
      name: 'roses.png',
      mimeType: 'image/png',
      buffer: png({ width: 320, height: 200 }),
    })
    const image = bobPage.getByRole('img', { name: 'Image from Ann' })
    await image.waitFor()
    await waitUntilLoaded(image, 'naturalWidth')

    await bobPage.getByRole('button', { name: 'Reply to Ann' }).tap()
    await attach(bobPage, { name: 'song.wav', mimeType: 'audio/wav', buffer: wav() })
    const audio = annPage.getByLabel('Audio from Bob')
    await audio.waitFor()
    await waitUntilLoaded(audio, 'duration')
    expect(await annPage.getByRole('blockquote').textContent()).toMatch(/^Ann Image/)

    await record(annPage, 'Record audio')
    await waitUntilLoaded(bobPage.getByLabel('Audio from Ann'), 'readyState')
    await record(annPage, 'Record video')
    await waitUntilLoaded(bobPage.getByLabel('Video from Ann'), 'videoWidth')
    await sendMessage(annPage, 'Did you see that?')
    await message(bobPage, 'Did you see that?').waitFor()
    await screenshot(annPage, 'room-media')
    await screenshot(bobPage, 'room-media-phone-dark')
    await expectAccessible(annPage)
    await expectAccessible(bobPage)
  })

  it('loads earlier messages on request, and offers to scroll to new ones', async () => {
    const { annPage, bobPage, path } = await openRoom()
    for (let count = 1; count <= 23; count++) await sendMessage(annPage, `Message ${count}.`)
    await message(bobPage, 'Message 23.').waitFor()
    await bobPage.goto(path)
    expect(await bobPage.locator('.message').count()).toBe(10)
    await eventually(async () => expect(await isInViewport(message(bobPage, 'Message 23.'))).toBe(true))
    const earlier = bobPage.getByRole('link', { name: 'Earlier messages' })
    await earlier.tap()
    await message(bobPage, 'Message 4.').waitFor()
    await earlier.tap()
    await message(bobPage, 'Message 1.').waitFor()
    await earlier.waitFor({ state: 'hidden' })
    const texts = await bobPage.locator('.message .text').allTextContents()
    expect(texts).toEqual(Array.from({ length: 23 }, (_, index) => `Message ${index + 1}.`))

    await sendMessage(annPage, 'Still there?')
    await bobPage.getByRole('button', { name: 'New messages below' }).tap()
    await eventually(async () => expect(await isInViewport(message(bobPage, 'Still there?'))).toBe(true))
  })
})

/** Records from the fake camera and microphone, and sends the recording. */
async function record(page: Page, what: string): Promise<void> {
  await page.getByRole('button', { name: what }).click()
  const dialog = page.getByRole('dialog', { name: what })
  await dialog.getByText('0:01').waitFor()
  if (what === 'Record video') await screenshot(page, 'recording')
  await dialog.getByRole('button', { name: 'Stop' }).click()
  await dialog.getByRole('button', { name: 'Send' }).click()
  await dialog.waitFor({ state: 'hidden' })
}

/** Waits until an element has loaded enough to have a size or duration. */
async function waitUntilLoaded(
  element: Locator,
  property: 'naturalWidth' | 'duration' | 'videoWidth' | 'readyState',
): Promise<void> {
  await element.scrollIntoViewIfNeeded()
  await eventually(async () => {
    const value = await element.evaluate(
      (node, name) => (node as unknown as Record<string, number>)[name],
      property,
    )
    expect(value).toBeGreaterThan(0)
  })
}

async function isInViewport(element: Locator): Promise<boolean> {
  const box = await element.boundingBox()
  const height = element.page().viewportSize()?.height ?? 0
  return box !== null && box.y >= 0 && box.y + box.height <= height
}
