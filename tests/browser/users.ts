import type { APIResponse, BrowserContextOptions, Page } from 'playwright-core'
import type { TestApp } from '../support/app.ts'
import { Authenticator } from './authenticator.ts'
import { openBrowser } from './browser.ts'
import { linkInEmail } from './emails.ts'

const USER = '/api/v1/user'

/** A user whose browser is signed in. */
export interface SignedInUser {
  page: Page
  username: string
  app: Authenticator
  /** Sends a request with the cookies of the browser. @throws on an error status. */
  ask(method: string, path: string, data?: object): Promise<APIResponse>
}

/** Signs `<username>@example.com` up and in, by API requests from a new browser. */
export async function signUp(
  site: TestApp,
  username: string,
  options: BrowserContextOptions = {},
): Promise<SignedInUser> {
  const page = await openBrowser(site, options)
  const ask = async (method: string, path: string, data: object = {}) => {
    const response = await page.request.fetch(path, { method, ...(method !== 'GET' && { data }) })
    if (!response.ok()) throw new Error(`${method} ${path}: ${response.status()} ${await response.text()}`)
    return response
  }
  const email = `${username.toLowerCase()}@example.com`
  await ask('POST', `${USER}/register/`, { email, username })
  await ask('POST', await linkInEmail(site, email))
  await ask('POST', `${USER}/totp-device/create/`)
  const { uri } = await (await ask('POST', '/whisper/two-factor/key')).json()
  const app = new Authenticator(uri, site.clock)
  await ask('POST', `${USER}/totp-device/verify/`, { otp_token: app.code() })
  await ask('POST', `${USER}/totp/verify/`, { otp_token: app.nextCode() })
  return { page, username, app, ask }
}

/** Creates a room of the first user with the others. @returns the path of its page. */
export async function createRoom(
  name: string,
  [creator, ...others]: [SignedInUser, ...SignedInUser[]],
): Promise<string> {
  const ids = await Promise.all(others.map(idOf))
  const response = await creator.ask('POST', '/api/v1/chat/room-list/', { room_name: name, user_ids: ids })
  const { id } = await response.json()
  return `/api/v1/chat/home/${id}/`
}

async function idOf({ ask }: SignedInUser): Promise<string> {
  return (await (await ask('POST', `${USER}/refresh/`)).json()).id
}
