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
  request(method: string, path: string, data?: object): Promise<APIResponse>
}

/** Signs `<username>@example.com` up and in, by API requests from a new browser. */
export async function signUp(
  site: TestApp,
  username: string,
  options: BrowserContextOptions = {},
): Promise<SignedInUser> {
  const page = await openBrowser(site, options)
  const request = async (method: string, path: string, data: object = {}) => {
    const response = await page.request.fetch(path, { method, ...(method !== 'GET' && { data }) })
    if (!response.ok()) throw new Error(`${method} ${path}: ${response.status()} ${await response.text()}`)
    return response
  }
  const email = `${username.toLowerCase()}@example.com`
  await request('POST', `${USER}/register/`, { email, username })
  await request('POST', await linkInEmail(site, email))
  await request('POST', `${USER}/totp-device/create/`)
  const { uri } = await (await request('POST', '/whisper/two-factor/key')).json()
  const app = new Authenticator(uri, site.clock)
  await request('POST', `${USER}/totp-device/verify/`, { otp_token: app.code() })
  await request('POST', `${USER}/totp/verify/`, { otp_token: app.nextCode() })
  return { page, username, app, request }
}

/** Creates a room of the first user with the others. @returns the path of its page. */
export async function createRoom(
  name: string,
  [creator, ...others]: [SignedInUser, ...SignedInUser[]],
): Promise<string> {
  const ids = await Promise.all(others.map(idOf))
  const response = await creator.request('POST', '/api/v1/chat/room-list/', {
    room_name: name,
    user_ids: ids,
  })
  const { id } = await response.json()
  return `/api/v1/chat/home/${id}/`
}

async function idOf({ request }: SignedInUser): Promise<string> {
  return (await (await request('POST', `${USER}/refresh/`)).json()).id
}
