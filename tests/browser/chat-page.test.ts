import { context } from 'esbuild'
import { expect, it, onTestFinished } from 'vitest'
import { registerKeyed } from '../client/support/clients.ts'
import { startApp } from '../support/app.ts'
import { temporaryFolder } from '../support/folder.ts'
import { openBrowser } from './browser.ts'

it('has an example page that chats with another client', async () => {
  const app = await startApp()
  const bob = await registerKeyed(app, 'bob')
  const page = await openBrowser(await servePage())
  await page.goto(`/?server=${app.url}`)
  await page.getByPlaceholder('Your address').fill('ann@example.com')
  await page.getByPlaceholder('Password').fill('four brave otters sing')
  await page.getByPlaceholder('Passphrase of your keys').fill('a secret of her own')
  await page.getByPlaceholder('Address of the other user').fill('bob@example.com')
  await page.getByRole('button', { name: 'Sign up' }).click()
  await page.getByPlaceholder('Message').fill('Hello, Bob!')
  await page.getByRole('button', { name: 'Send' }).click()
  await page.getByText('ann@example.com: Hello, Bob! (verified)').waitFor()

  const chat = await bob.conversations.with('ann@example.com')
  expect(chat.messages).toMatchObject([{ body: { text: 'Hello, Bob!' }, verified: 'signed', problems: [] }])
  chat.startTyping()
  await page.getByText('bob Example is typing').waitFor()
  await chat.send('<b>Hello</b>')
  await page.getByText('bob Example: <b>Hello</b> (signed)').waitFor()
})

/** Serves the page as the command in docs/client.md does. */
async function servePage(): Promise<{ url: string }> {
  const folder = temporaryFolder()
  const bundle = await context({
    entryPoints: { client: 'src/client/index.ts', index: 'scripts/examples/chat-page.html' },
    loader: { '.html': 'copy' },
    bundle: true,
    splitting: true,
    format: 'esm',
    outdir: folder,
  })
  onTestFinished(() => bundle.dispose())
  const { port } = await bundle.serve({ servedir: folder, host: '127.0.0.1', port: 0 })
  return { url: `http://127.0.0.1:${port}` }
}
