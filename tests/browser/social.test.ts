import { expect, it } from 'vitest'
import { freePort } from '../support/free-port.ts'
import { startOpenIdServer } from '../support/openid-provider.ts'
import { startPublicApp } from '../support/public-app.ts'
import { Authenticator, scan } from './authenticator.ts'
import { expectAccessible, openBrowser, screenshot } from './browser.ts'
import { waitForText } from './room-actions.ts'

it('a user signs up with Google, without a verification email', async () => {
  const port = await freePort()
  const publicUrl = `http://localhost:${port}`
  const client = {
    clientId: 'parley',
    clientSecret: 'a secret of thirty-two characters',
    redirectUri: `${publicUrl}/api/v1/user/social/complete/google-oauth2/`,
  }
  const { issuer, accounts } = await startOpenIdServer(client)
  accounts.set('zoe', { email: 'zoe@example.com', email_verified: true })
  const site = await startPublicApp({
    PORT: String(port),
    PUBLIC_URL: publicUrl,
    GOOGLE_CLIENT_ID: client.clientId,
    GOOGLE_CLIENT_SECRET: client.clientSecret,
    GOOGLE_ISSUER: issuer,
  })
  const page = await openBrowser(site)
  // The provider's own pages want fonts from elsewhere.
  await page.route(/googleapis/, (route) => route.fulfill({ contentType: 'text/css', body: '' }))

  await page.goto('/whisper')
  await screenshot(page, 'google')
  await expectAccessible(page)
  await page.getByRole('link', { name: 'Continue with Google' }).click()
  await page.locator('[name=login]').fill('zoe')
  await page.locator('[name=password]').fill('any')
  await page.getByRole('button').click()
  await page.getByRole('button', { name: 'Continue' }).click()

  await page.getByRole('button', { name: 'Show the QR code' }).click()
  const app = new Authenticator(await scan(page.getByAltText('QR code')), site.clock)
  await page.getByLabel('Code', { exact: true }).fill(app.code())
  await page.keyboard.press('Enter')
  await waitForText(page, 'Your recovery codes')

  await page.getByRole('link', { name: 'Continue to sign-in' }).click()
  await page.getByLabel('Code', { exact: true }).fill(app.nextCode())
  await page.keyboard.press('Enter')
  await waitForText(page, 'Your rooms')
  await page.getByRole('button', { name: 'Sign out' }).click()

  await page.getByRole('link', { name: 'Continue with Google' }).click()
  await page.getByLabel('Code', { exact: true }).fill(app.nextCode())
  await page.keyboard.press('Enter')
  await waitForText(page, 'Your rooms')
  expect(new URL(page.url()).pathname).toBe('/whisper')
})
