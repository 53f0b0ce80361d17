import type { TestApp } from '../support/app.ts'

/** The link in the newest email to an address, as the development mailbox has it. */
export async function linkInEmail(site: TestApp, to: string): Promise<string> {
  await site.mailWorker.drain()
  const { body } = await site.request('GET', '/dev/mailbox.json')
  const email = (body as { to: string; text: string }[]).find((one) => one.to === to)
  const link = /https?:\/\/\S+/.exec(email?.text ?? '')?.[0]
  if (!link) throw new Error(`There is no email with a link to ${to}`)
  return link
}
