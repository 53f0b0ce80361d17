import type { Page } from 'playwright-core'
import { describe, expect, it } from 'vitest'
import { startPublicApp } from '../support/public-app.ts'
import { Authenticator, scan } from './authenticator.ts'
import { expectAccessible, openBrowser, screenshot } from './browser.ts'
import { linkInEmail } from './emails.ts'

const ANN = 'ann@example.com'

describe('a new user with only a keyboard', () => {
  it('signs up, sets up an authenticator app, and signs in again', async () => {
    const site = await startPublicApp()
    const page = await openBrowser(site)
    const check = async (name: string) => {
      await screenshot(page, name)
      await expectAccessible(page)
    }

    await page.goto('/whisper')
    await check('1-home')
    await press(page, 'Create an account')
    await check('2-sign-up')
    await page.getByLabel('Email address').fill(ANN)
    await page.getByLabel('Username').fill('Ann')
    await page.keyboard.press('Enter')

    await heading(page, 'Check your email')
    expect(await page.getByText('we have sent it an email').textContent()).toContain(ANN)
    await check('3-mail')
    await page.goto(await linkInEmail(site, ANN))
    await check('4-email')
    await press(page, 'Confirm')

    await heading(page, 'Set up your authenticator')
    await check('5-two-factor')
    await press(page, 'Show the QR code')
    const image = page.getByAltText('QR code with the key of your account')
    await page.getByRole('heading', { name: 'Scan this code with the app' }).waitFor()
    await check('6-qr')
    const app = new Authenticator(await scan(image), site.clock)
    expect(app.issuer).toBe('Parley')
    await page.getByText('Cannot scan the code?').click()
    await check('6-qr-by-hand')
    expect((await page.locator('#key').textContent())?.replaceAll(' ', '')).toBe(app.secret)
    await page.getByLabel('Code', { exact: true }).fill(app.code())
    await page.keyboard.press('Enter')

    await page.getByRole('heading', { name: 'Your recovery codes' }).waitFor()
    await check('7-recovery-codes')
    const codes = await page
      .getByRole('list', { name: 'Recovery codes' })
      .getByRole('listitem')
      .allTextContents()
    expect(codes).toHaveLength(10)
    expect(await downloadedText(page)).toContain(codes.join('\n'))
    await press(page, 'Continue to sign-in')

    await heading(page, 'Enter your code')
    await check('8-code')
    await page.getByLabel('Code', { exact: true }).fill(app.nextCode())
    await page.keyboard.press('Enter')
    await heading(page, 'Your rooms')
    await check('9-rooms')

    await signOut(page)
    await signIn(page, ANN)
    await page.getByLabel('Code', { exact: true }).fill(app.nextCode())
    await page.keyboard.press('Enter')
    await heading(page, 'Your rooms')

    await signOut(page)
    await signIn(page, ANN)
    await press(page, 'Use a recovery code')
    await page.getByLabel('Code', { exact: true }).fill(codes[3]!)
    await page.keyboard.press('Enter')
    await heading(page, 'Your rooms')
  })
})

describe('an error in a form', () => {
  it('is shown next to its field, which gets the focus', async () => {
    const page = await openBrowser(await startPublicApp())
    await page.goto('/whisper/sign-up')
    const email = page.getByLabel('Email address')

    await press(page, 'Create account')
    expect(await errorOf(page, 'email')).toBe('Email address is missing.')
    expect(await email.getAttribute('aria-invalid')).toBe('true')
    await email.fill('ann@example')
    await page.getByLabel('Username').fill('a')
    await page.keyboard.press('Enter')
    expect(await errorOf(page, 'username')).toBe('Username must have 3 to 120 characters.')
    await screenshot(page, 'problem-field')
    await expectAccessible(page)
  })
})

/** Focuses a link or button and presses Enter. */
async function press(page: Page, name: string): Promise<void> {
  const control = page.getByRole('link', { name }).or(page.getByRole('button', { name }))
  await control.focus()
  await page.keyboard.press('Enter')
}

async function heading(page: Page, name: string): Promise<void> {
  await page.getByRole('heading', { name, level: 1 }).waitFor()
}

async function signIn(page: Page, email: string): Promise<void> {
  await page.getByLabel('Email address').fill(email)
  await page.keyboard.press('Enter')
  await heading(page, 'Enter your code')
}

async function signOut(page: Page): Promise<void> {
  await press(page, 'Sign out')
  await heading(page, 'Sign in')
}

/** The error of a field. */
async function errorOf(page: Page, name: string): Promise<string | null> {
  const problem = page.locator(`#${name}-problem`)
  await problem.waitFor()
  expect(await page.locator(':focus').getAttribute('name')).toBe(name)
  return problem.textContent()
}

async function downloadedText(page: Page): Promise<string> {
  const [download] = await Promise.all([page.waitForEvent('download'), press(page, 'Download')])
  const chunks: Buffer[] = []
  for await (const chunk of await download.createReadStream()) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}
