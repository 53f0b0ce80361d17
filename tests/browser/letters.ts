import type { TestApp } from '../support/app.ts'

/** The link in the newest letter to an address, as the development mailbox has it. */
export async function linkInLetter(site: TestApp, to: string): Promise<string> {
  await site.mailWorker.drain()
  const { body } = await site.request('GET', '/dev/mailbox.json')
  const letter = (body as { to: string; text: string }[]).find((one) => one.to === to)
  const link = /https?:\/\/\S+/.exec(letter?.text ?? '')?.[0]
  if (!link) throw new Error(`There is no letter with a link to ${to}`)
  return link
}
