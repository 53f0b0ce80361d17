import { Buffer } from 'node:buffer'
import { describe, expect, it, onTestFinished } from 'vitest'
import { FaultProxy } from '../support/fault-proxy.ts'
import { png } from '../support/media.ts'
import { startPublicApp } from '../support/public-app.ts'
import { expectAccessible, openBrowser, screenshot } from './browser.ts'
import { attach, message, messageInput, sendMessage, waitForText } from './room-actions.ts'
import { createRoom, signUp } from './users.ts'

describe('a lost connection', () => {
  it('is restored, and shows every missed message once', async () => {
    const site = await startPublicApp()
    const proxy = await FaultProxy.start(site.url)
    onTestFinished(() => proxy.close())
    const port = proxy.port
    const ann = await signUp(site, 'Ann')
    const bob = await signUp(site, 'Bob', { baseURL: `http://localhost:${port}` })
    const path = await createRoom('Garden club', [ann, bob])
    await ann.page.goto(path)
    await bob.page.goto(path)
    await waitForText(bob.page, '2 online')
    await sendMessage(ann.page, 'Before.')
    await message(bob.page, 'Before.').waitFor()

    await proxy.close()
    await waitForText(bob.page, 'Reconnecting…')
    await sendMessage(bob.page, 'Do you hear me?')
    await bob.page.getByText('Not sent: no connection.').waitFor()
    await screenshot(bob.page, 'reconnecting')
    await expectAccessible(bob.page)
    for (let count = 1; count <= 12; count++) await sendMessage(ann.page, `Meanwhile ${count}.`)
    await message(ann.page, 'Meanwhile 12.').waitFor()

    await proxy.listen(port)
    await message(bob.page, 'Meanwhile 12.').waitFor()
    await bob.page.getByRole('button', { name: 'Send again' }).click()
    await message(ann.page, 'Do you hear me?').waitFor()
    await bob.page.locator('.pending').waitFor({ state: 'detached' })
    const received = await bob.page.locator('.message .text').allTextContents()
    expect(received).toEqual(await ann.page.locator('.message .text').allTextContents())
  })
})

describe('access to a room', () => {
  it('ends with a message when the member is removed', async () => {
    const site = await startPublicApp()
    const ann = await signUp(site, 'Ann')
    const bob = await signUp(site, 'Bob')
    const path = await createRoom('Garden club', [ann, bob])
    await ann.page.goto(path)
    await bob.page.goto(path)
    await waitForText(bob.page, '2 online')

    const people = await ann.page.context().newPage()
    await people.goto(path)
    await people.getByRole('link', { name: 'People' }).click()
    await people.getByRole('button', { name: 'Remove Bob' }).click()
    await people.getByRole('button', { name: 'Remove Bob' }).waitFor({ state: 'detached' })
    await waitForText(ann.page, 'Bob was removed from the chat.')
    await bob.page.getByText('You are no longer a member of this room.').waitFor()
    await screenshot(bob.page, 'removed')
    await expectAccessible(bob.page)
    expect(await messageInput(bob.page).isVisible()).toBe(false)

    await people.getByLabel('Part of a name').fill('bOB')
    await people.keyboard.press('Enter')
    await people.getByRole('button', { name: 'Add Bob' }).click()
    await people.getByRole('button', { name: 'Remove Bob' }).waitFor()
    await screenshot(people, 'people')
    await expectAccessible(people)
    await waitForText(ann.page, 'Bob was added to the chat.')
    await screenshot(ann.page, 'notifications')
    await bob.page.reload()
    await waitForText(bob.page, '2 online')
  })

  it('is restored by signing in again after the session has ended', async () => {
    const site = await startPublicApp()
    const ann = await signUp(site, 'Ann')
    const path = await createRoom('Garden club', [ann])
    await ann.page.goto(path)
    await waitForText(ann.page, '1 online')
    await ann.request('POST', '/whisper/sign-out')
    // A client that signs itself out has half a second to close its socket.
    site.clock.advance(1_000)
    await ann.page.getByRole('link', { name: 'Sign in again' }).click()
    await ann.page.getByLabel('Email address').fill('ann@example.com')
    await ann.page.keyboard.press('Enter')
    await ann.page.getByLabel('Code', { exact: true }).fill(ann.app.nextCode())
    await ann.page.keyboard.press('Enter')
    await waitForText(ann.page, '1 online')
    expect(new URL(ann.page.url()).pathname).toBe(path)
  })

  it('is read-only on a page that was requested with an access token', async () => {
    const site = await startPublicApp()
    const ann = await signUp(site, 'Ann')
    const path = await createRoom('Garden club', [ann])
    await ann.page.goto(path)
    await sendMessage(ann.page, 'Hello?')
    await message(ann.page, 'Hello?').waitFor()
    const { access } = await (await ann.request('POST', '/api/v1/user/refresh/')).json()
    const page = await openBrowser(site)
    await page.setExtraHTTPHeaders({ authorization: `Bearer ${access}` })
    await page.goto(path)
    await message(page, 'Hello?').waitFor()
    await page.getByText('This page was opened with an access token').waitFor()
    await screenshot(page, 'with-a-token')
    await expectAccessible(page)
    expect(await messageInput(page).count()).toBe(0)
  })
})

describe('a rejected message or upload', () => {
  it('shows the reason, and the room stays usable', async () => {
    const site = await startPublicApp({ MAX_MEDIA_BYTES: '100000' })
    const ann = await signUp(site, 'Ann')
    await ann.page.goto(await createRoom('<i>Tricky</i> & co.', [ann]))
    expect(await ann.page.getByRole('heading', { level: 1 }).textContent()).toBe('<i>Tricky</i> & co.')
    await waitForText(ann.page, '1 online')
    await waitForText(ann.page, 'No messages yet')
    await screenshot(ann.page, 'empty-room')

    await attach(ann.page, { name: 'page.png', mimeType: 'image/png', buffer: Buffer.from('<html>') })
    await ann.page.getByText('page.png: it is not an image').waitFor()
    await screenshot(ann.page, 'refused')
    await expectAccessible(ann.page)
    await attach(ann.page, { name: 'big.png', mimeType: 'image/png', buffer: Buffer.alloc(100_001) })
    await ann.page.getByText('big.png is too large').waitFor()
    await attach(ann.page, { name: 'small.png', mimeType: 'image/png', buffer: png() })
    await ann.page.getByRole('img', { name: 'Image from Ann' }).waitFor()
    expect(await ann.page.getByRole('alert').filter({ visible: true }).count()).toBe(0)

    await sendMessage(ann.page, 'x'.repeat(70_000))
    await ann.page.locator('.failed').getByText('message must have at most').waitFor()
    await ann.page.getByRole('button', { name: 'Discard' }).click()
    await sendMessage(ann.page, 'Short.')
    await message(ann.page, 'Short.').waitFor()
  })
})
