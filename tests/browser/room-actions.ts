import type { Locator, Page } from 'playwright-core'

/** The message input of a room. */
export function messageInput(page: Page): Locator {
  return page.getByRole('textbox', { name: 'Message' })
}

/** Sends a text to a room. */
export async function sendMessage(page: Page, text: string): Promise<void> {
  await messageInput(page).fill(text)
  await messageInput(page).press('Enter')
}

/** The latest message with a text that the server has accepted. */
export function message(page: Page, text: string): Locator {
  return page.locator('.message:not(.pending)', { has: page.getByText(text) }).last()
}

/** Waits until the page shows a text, verbatim. */
export function waitForText(page: Page, text: string): Promise<void> {
  return page.getByText(text, { exact: true }).waitFor()
}

/** Sends a file to a room. */
export async function attach(
  page: Page,
  file: { name: string; mimeType: string; buffer: Buffer },
): Promise<void> {
  const [chooser] = await Promise.all([
    page.waitForEvent('filechooser'),
    page.getByRole('button', { name: 'Send files' }).click(),
  ])
  await chooser.setFiles(file)
}
