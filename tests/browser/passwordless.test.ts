import { expect, it } from 'vitest'
import { startApp } from '../support/app.ts'
import { readQrCode } from '../support/whisper-client.ts'
import { Authenticator } from './authenticator.ts'
import { openBrowser } from './browser.ts'
import { bundleForPage, servePage } from './client-page.ts'
import { linkInEmail } from './emails.ts'

/** What a page runs: it offers the steps to the test. */
const PAGE = `
  import { memoryStore, passwordless } from './src/client/index.ts'
  Object.assign(globalThis, { memoryStore, passwordless })
`
const EMAIL = 'ann@example.com'

it('signs up and in without a password on a page of the same origin, by the cookie of the browser', async () => {
  const app = await startApp()
  const page = await openBrowser(app, { bypassCSP: true })
  await page.goto('/whisper')
  await page.addScriptTag({ content: await bundleForPage(PAGE), type: 'module' })
  const begin = `globalThis.steps = passwordless({ url: location.origin, store: memoryStore() })`
  await page.evaluate(`${begin}; steps.register('${EMAIL}')`)
  await page.evaluate(`steps.verifyEmail('${await linkInEmail(app, EMAIL)}')`)
  const image = await page.evaluate<number[]>(
    'steps.setUpAuthenticator().then((blob) => blob.arrayBuffer()).then((bytes) => [...new Uint8Array(bytes)])',
  )
  const codes = new Authenticator(readQrCode(Buffer.from(image)), app.clock)
  await page.evaluate(`steps.confirmAuthenticator('${codes.code()}')`)
  const signIn = (factors: object) =>
    page.evaluate(`steps.signIn(${JSON.stringify(factors)}).then(async (me) => {
      while (me.connection !== 'open') await me.once('connection')
      await me.close()
      return me.user.email
    })`)
  expect(await signIn({ code: codes.nextCode() })).toBe(EMAIL)
  await page.evaluate(begin)
  expect(await signIn({ code: codes.nextCode(), email: EMAIL })).toBe(EMAIL)
})

it('rejects the steps without a password on a page of another origin', async () => {
  const app = await startApp()
  const page = await openBrowser(await servePage(PAGE))
  await page.goto('/')
  await page.waitForFunction('globalThis.passwordless !== undefined')
  const codeOf = (step: string) => page.evaluate(`steps.${step}.then(() => 'done', ({ code }) => code)`)
  await page.evaluate(`globalThis.steps = passwordless({ url: '${app.url}', store: memoryStore() }); 0`)
  expect(await codeOf(`register('${EMAIL}')`)).toBe('done')
  expect(await codeOf(`verifyEmail('${await linkInEmail(app, EMAIL)}')`)).toBe('cross_origin')
  expect(await codeOf(`signIn({ email: '${EMAIL}', code: '000000' })`)).toBe('cross_origin')
})
