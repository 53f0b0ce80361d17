import { it } from 'vitest'
import { startPublicApp } from '../support/public-app.ts'
import { expectAccessible, openBrowser, screenshot } from './browser.ts'

it.each([
  ['light', 1280],
  ['dark', 1280],
  ['light', 390],
  ['dark', 390],
] as const)('/docs/events is readable without scripts (%s, %i px)', async (colorScheme, width) => {
  const site = await startPublicApp()
  const viewport = { width, height: 844 }
  const page = await openBrowser(site, { colorScheme, viewport, javaScriptEnabled: false })
  await page.goto('/docs/events')
  await page.getByRole('heading', { name: 'Events', level: 1 }).waitFor()
  await screenshot(page, `events-${colorScheme}-${width}`)
  await page.getByRole('link', { name: 'conversation:{conversation_id}' }).click()
  const article = page.locator('[id="conversation.push.send_message"]')
  await article.getByText('Examples').click()
  await article.getByText('"encrypted_messages": {').first().waitFor()
  await article.scrollIntoViewIfNeeded()
  await screenshot(page, `events-message-${colorScheme}-${width}`)
  await expectAccessible(page)
})
