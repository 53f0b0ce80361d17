import type { APIResponse, BrowserContextOptions, Page } from 'playwright-core'
import type { TestApp } from '../support/app.ts'
import { Authenticator } from './authenticator.ts'
import { openBrowser } from './browser.ts'
import { linkInLetter } from './letters.ts'

const USER = '/api/v1/user'

/** Someone whose browser is signed in. */
export interface Guest {
  page: Page
  username: string
  app: Authenticator
  /** Sends a request with the cookies of their browser. @throws when it is refused. */
  ask(method: string, path: string, data?: object): Promise<APIResponse>
}

/** Signs `<name>@example.com` up and in, with a browser of their own; all without a page. */
export async function arrive(
  site: TestApp,
  username: string,
  options: BrowserContextOptions = {},
): Promise<Guest> {
  const page = await openBrowser(site, options)
  const ask = async (method: string, path: string, data: object = {}) => {
    const response = await page.request.fetch(path, { method, ...(method !== 'GET' && { data }) })
    if (!response.ok()) throw new Error(`${method} ${path}: ${response.status()} ${await response.text()}`)
    return response
  }
  const email = `${username.toLowerCase()}@example.com`
  await ask('POST', `${USER}/register/`, { email, username })
  await ask('POST', await linkInLetter(site, email))
  await ask('POST', `${USER}/totp-device/create/`)
  const { uri } = await (await ask('POST', '/whisper/two-factor/key')).json()
  const app = new Authenticator(uri, site.clock)
  await ask('POST', `${USER}/totp-device/verify/`, { otp_token: app.code() })
  await ask('POST', `${USER}/totp/verify/`, { otp_token: app.nextCode() })
  return { page, username, app, ask }
}

/** A room of the first, with the others in it. @returns its path. */
export async function makeRoom(name: string, [creator, ...others]: [Guest, ...Guest[]]): Promise<string> {
  const ids = await Promise.all(others.map(idOf))
  const response = await creator.ask('POST', '/api/v1/chat/room-list/', { room_name: name, user_ids: ids })
  const { id } = await response.json()
  return `/api/v1/chat/home/${id}/`
}

async function idOf({ ask }: Guest): Promise<string> {
  return (await (await ask('POST', `${USER}/refresh/`)).json()).id
}
