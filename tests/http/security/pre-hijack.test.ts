import { describe, expect, it } from 'vitest'
import { PASSWORD, type SignedIn, startApi, type TestApi } from '../../support/api.ts'
import { setUpDatabase } from '../../support/set-up-database.ts'
import { EMAIL, failure, signIn, startWithProvider, users } from '../../support/social-sign-in.ts'
import { WhisperClient } from '../../support/whisper-client.ts'

const db = setUpDatabase()

const FROM = '192.0.2.7'
const FIREFOX = 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0 visit-evil.example'

/** Registers the victim's address, and adds every kind of credential to the account. */
async function hijack(api: TestApi): Promise<SignedIn> {
  const intruder = await api.register('ann')
  const { id } = intruder.user
  await db.rows(
    `insert into totp_devices (user_id, vault_key, secret, confirmed_at) values ($1, 'key', '', now())`,
    [id],
  )
  await db.rows(`insert into recovery_codes (user_id, hash) values ($1, 'x')`, [id])
  await db.rows(
    `insert into identities (issuer, subject, user_id) values ('https://evil.example', 'eve', $1)`,
    [id],
  )
  await api.send('POST /api/token/email_change', { token: intruder.auth_token })
  return intruder
}

/** The credentials, tokens and emails that the account still has. */
async function remainingCredentials(): Promise<string[]> {
  const rows = await db.rows<{ credential: string }>(
    `select 'password' as credential from users where password_hash is not null
     union all select 'session' from sessions where revoked_at is null
     union all select 'device' from totp_devices
     union all select 'recovery code' from recovery_codes
     union all select 'identity ' || subject from identities
     union all select 'token ' || context from tokens
     union all select 'email ' || kind from mail_outbox
     union all select 'device cookie' from users where devices_valid_from is null`,
    [],
  )
  return rows.map(({ credential }) => credential)
}

/** The statuses of requests with the intruder's access token, refresh token and password. */
async function useEarlierCredentials(
  api: TestApi,
  { auth_token: token, refresh_token }: SignedIn,
): Promise<number[]> {
  const attempts = [
    api.send('GET /api/users', { token }),
    api.send('POST /auth/refresh', { body: { token: refresh_token } }),
    api.login('ann'),
  ]
  return (await Promise.all(attempts)).map(({ statusCode }) => statusCode)
}

const REJECTED = [401, 400, 401]

function events(api: TestApi) {
  return api.log.lines.flatMap(({ security }) => (security === undefined ? [] : [security]))
}

describe('an address that someone else has registered', () => {
  it('loses the credentials of the registrant when a Whisper email verifies it', async () => {
    const api = await startApi(db)
    const intruder = await hijack(api)
    const ended: string[] = []
    api.services.events.on('sessions_revoked', ({ sessionIds }) => ended.push(...sessionIds))
    const victim = new WhisperClient(api, EMAIL)
    await victim.request('POST verify-email/begin/', { email: EMAIL })
    expect((await victim.confirmEmail()).json()).toMatchObject({ is_email_verified: true })
    expect(await remainingCredentials()).toEqual([])
    expect(await useEarlierCredentials(api, intruder)).toEqual(REJECTED)
    expect(ended).toHaveLength(1)
    expect(await victim.setUpTotp()).toHaveLength(10)
    expect((await victim.signIn()).email).toBe(EMAIL)
    expect(events(api)).toContain('email_verified')
  })

  it('loses the credentials of the registrant when a provider verifies it, and is linked', async () => {
    const { api, browser } = await startWithProvider(db)
    const intruder = await hijack(api)
    expect(failure(await signIn(browser))).toEqual([401, 'totp_setup_required'])
    expect(await remainingCredentials()).toEqual(['identity ann', 'email identity_linked'])
    expect(await useEarlierCredentials(api, intruder)).toEqual(REJECTED)
    expect(await users(db)).toMatchObject([{ confirmed: true, subjects: ['ann'], password_hash: null }])
    expect(await browser.setUpTotp()).toHaveLength(10)
    expect(events(api)).toEqual(expect.arrayContaining(['email_verified', 'identity_linked']))
  })

  it('has only the new password when a password reset verifies it', async () => {
    const api = await startApi(db)
    const intruder = await hijack(api)
    await api.send('POST /auth/password/request', { body: { email: EMAIL } })
    const new_password = 'seven quiet herons wade'
    const emails = await api.emails()
    const { text } = emails.find(({ subject }) => subject === 'Reset your password')!
    const token = /token=([\w-]+)/.exec(text)![1]
    const body = { token, new_password, new_password_confirmation: new_password }
    expect((await api.send('POST /auth/password/reset', { body })).statusCode).toBe(204)
    expect((await remainingCredentials()).filter((credential) => !credential.startsWith('email '))).toEqual([
      'password',
    ])
    expect(await useEarlierCredentials(api, intruder)).toEqual(REJECTED)
    const owner = (await api.login('ann', new_password)).json()
    expect(owner.user.confirmed_at).not.toBeNull()
    expect(events(api)).toContain('email_verified')
  })

  it('is not verified by a provider with another address', async () => {
    const { api, browser, server } = await startWithProvider(db)
    expect((await signIn(browser)).statusCode).toBe(201)
    await db.rows(`update users set email = 'bob@example.com', email_confirmed_at = null`, [])
    expect(failure(await signIn(browser))).toEqual([409, 'email_unconfirmed'])
    server.accounts.set('ann', { email: 'bob@example.com', email_verified: false })
    expect(failure(await signIn(browser))).toEqual([409, 'email_unconfirmed'])
    server.accounts.set('ann', { email: 'bob@example.com', email_verified: true })
    expect(failure(await signIn(browser))).toEqual([401, 'totp_setup_required'])
    expect(await users(db)).toMatchObject([{ email: 'bob@example.com', confirmed: true, subjects: ['ann'] }])
    expect(events(api)).toContain('registered')
  })

  it('keeps the password when any confirmation email confirms it', async () => {
    const api = await startApi(db)
    const { auth_token: token } = await api.register('ann')
    await api.emails()
    await api.send('POST /api/token/email_confirm', { token })
    const body = { token: await api.tokenOfEmail(EMAIL) }
    expect((await api.send('POST /auth/confirm', { body })).statusCode).toBe(204)
    expect((await api.login('ann')).statusCode).toBe(200)
    expect((await api.send('GET /api/users', { token })).statusCode).toBe(200)
  })

  it('keeps all credentials when it is verified again', async () => {
    const api = await startApi(db)
    const { auth_token: token } = await api.register('ann')
    await api.send('POST /auth/confirm', { body: { token: await api.tokenOfEmail(EMAIL) } })
    const client = new WhisperClient(api, EMAIL)
    await client.request('POST verify-email/begin/', { email: EMAIL })
    expect((await client.confirmEmail()).statusCode).toBe(200)
    expect((await api.send('GET /api/users', { token })).statusCode).toBe(200)
    expect((await api.login('ann')).statusCode).toBe(200)
  })
})

describe('the email of a registration', () => {
  async function register() {
    const api = await startApi(db)
    const response = await api.send('POST /auth/register', {
      body: { email: EMAIL, password: PASSWORD },
      from: FROM,
      headers: { 'user-agent': FIREFOX },
    })
    return { api, intruder: response.json<SignedIn>() }
  }

  async function denialPath(api: TestApi): Promise<string> {
    const [newest] = await api.emails()
    return new URL(/http\S+\/register\/deny\/[\w-]+\//.exec(newest!.text)![0]).pathname
  }

  it('has the time and address of the registration, also when it is sent again', async () => {
    const { api, intruder } = await register()
    const [first] = await api.emails()
    await api.services.securityLog.stop()
    await api.send('POST /api/token/email_confirm', { token: intruder.auth_token })
    const [second] = await api.emails()
    for (const email of [first, second]) {
      expect(email!.subject).toBe('Confirm your email address')
      expect(email!.text).toMatch(
        /a password was set.*on \d{4}-\d\d-\d\d at \d\d:\d\d UTC, from the network address 192\.0\.2\.7, with Firefox on Linux\./s,
      )
      expect(email!.text + email!.html).not.toContain('evil')
      expect(email!.text).toContain('/register/deny/')
    }
    expect(second).not.toBe(first)
  })

  it('links to a page with a button that removes the password and ends all sessions', async () => {
    const { api, intruder } = await register()
    const path = await denialPath(api)
    const headers = { accept: 'text/html' }
    const page = await api.send(`GET ${path}`, { headers })
    expect(page.body).toContain(`action="${path}"`)
    expect((await api.send('GET /api/users', { token: intruder.auth_token })).statusCode).toBe(200)

    const denied = await api.send(`POST ${path}`, {
      headers: { ...headers, 'content-type': 'application/x-www-form-urlencoded' },
      body: '',
    })
    expect([denied.statusCode, denied.body]).toEqual([
      200,
      expect.stringContaining('The password was removed'),
    ])
    expect(await remainingCredentials()).toEqual([])
    expect(await useEarlierCredentials(api, intruder)).toEqual(REJECTED)
    expect(await users(db)).toMatchObject([{ confirmed: false, password_hash: null }])
    expect(events(api)).toContain('registration_denied')
    expect(api.log.text()).not.toContain(path)

    expect((await api.send(`POST ${path}`, { body: {} })).json().error.code).toBe('invalid_token')
    const victim = new WhisperClient(api, EMAIL)
    await victim.request('POST verify-email/begin/', { email: EMAIL })
    expect((await victim.confirmEmail()).statusCode).toBe(200)
    expect(await victim.setUpTotp()).toHaveLength(10)
  })

  it('removes nothing once the address is confirmed, or from a page of another site', async () => {
    const { api } = await register()
    const path = await denialPath(api)
    const foreign = await api.send(`POST ${path}`, { body: {}, headers: { 'sec-fetch-site': 'cross-site' } })
    expect(foreign.statusCode).toBe(403)
    await api.send('POST /auth/confirm', { body: { token: await api.tokenOfEmail(EMAIL) } })
    expect((await api.send(`POST ${path}`, { body: {} })).statusCode).toBe(400)
    expect((await api.login('ann')).statusCode).toBe(200)
  })

  it('removes nothing after 7 days', async () => {
    const { api } = await register()
    const path = await denialPath(api)
    api.clock.jump(7 * 24 * 60 * 60 * 1000)
    expect((await api.send(`POST ${path}`, { body: {} })).statusCode).toBe(400)
    expect((await api.login('ann')).statusCode).toBe(200)
  })
})
