import type { Locator, Page } from 'playwright-core'

/** Where one writes in a room. */
export function writing(page: Page): Locator {
  return page.getByRole('textbox', { name: 'Message' })
}

/** Writes something in a room, and sends it. */
export async function say(page: Page, text: string): Promise<void> {
  await writing(page).fill(text)
  await writing(page).press('Enter')
}

/** The latest message that says something, as the server has it. */
export function message(page: Page, text: string): Locator {
  return page.locator('.message:not(.pending)', { has: page.getByText(text) }).last()
}

/** Waits until the page says something, word for word. */
export function shows(page: Page, text: string): Promise<void> {
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
