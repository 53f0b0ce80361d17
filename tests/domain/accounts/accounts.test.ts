import { describe, expect, it } from 'vitest'
import { Passwords } from '../../../src/domain/passwords/passwords.ts'
import { type AccountNode, authenticate, PASSWORD, setUpAccounts } from '../../support/account-services.ts'

let node: AccountNode

const db = setUpAccounts((given) => {
  node = given
})

async function register(email: string, more: { password?: string; displayName?: string } = {}) {
  const userId = await node.accounts.register({ email, password: PASSWORD, ...more })
  return node.accounts.find(userId)
}

function rejection(fields: Record<string, string | RegExp>) {
  const expected = Object.entries(fields).map(([field, message]) => [field, [expect.stringMatching(message)]])
  return expect.objectContaining({ code: 'validation_failed', fields: Object.fromEntries(expected) })
}

describe('registering', () => {
  it('creates an account with the default settings', async () => {
    const account = await register('Ann@Example.com', { displayName: '  Ann  ' })
    expect(account).toEqual({
      id: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-7/),
      shortId: expect.stringMatching(/^[\w-]{21}$/),
      username: expect.stringMatching(/^user-[a-z0-9]{10}$/),
      isUsernameSet: false,
      email: 'Ann@Example.com',
      displayName: 'Ann',
      confirmed: false,
      confirmedAt: null,
      hidden: false,
      theme: 'day',
      magnification: 1,
      recents: [],
      whoCanAdd: 'everyone',
    })
    expect(await node.accounts.find(account.id)).toEqual(account)
  })

  it('uses the email as the display name when none is given, whatever its length', async () => {
    const email = `${'a'.repeat(148)}@example.com`
    expect(await register(email)).toMatchObject({ email, displayName: email })
  })

  it('sends a confirmation email', async () => {
    await register('ann@example.com')
    await node.worker.drain()
    expect(node.mailbox.emails).toMatchObject([
      { to: 'ann@example.com', subject: 'Confirm your email address' },
    ])
  })

  it('rejects a taken address in any letter case, and sends no email', async () => {
    await register('ann@example.com')
    await node.worker.drain()
    await expect(register(' ANN@example.com ')).rejects.toEqual(
      rejection({ email: /^has already been taken$/ }),
    )
    await node.worker.drain()
    expect(node.mailbox.emails.length).toBe(1)
  })

  it('gives an address to one of several concurrent registrations', async () => {
    const results = await Promise.allSettled(
      ['ann@example.com', 'Ann@example.com', 'ANN@example.com'].map((email) => register(email)),
    )
    expect(results.filter(({ status }) => status === 'fulfilled').length).toBe(1)
    const refusals = results.filter((result) => result.status === 'rejected')
    const taken = rejection({ email: 'has already been taken' })
    expect(refusals.map(({ reason }) => reason)).toEqual([taken, taken])
  })

  it.each([
    ['nothing', ''],
    ['no domain', 'ann@'],
    ['no name', '@example.com'],
    ['two @', 'ann@ben@example.com'],
    ['a space', 'ann b@example.com'],
    ['a line break', 'ann@example.com\r\nBcc: ben@example.com'],
    ['a list', 'ann,ben@example.com'],
    ['a name in brackets', 'Ann <ann@example.com>'],
    ['an invisible character', 'ann\u200b@example.com'],
    ['NUL', 'ann\0@example.com'],
    ['half a surrogate pair', 'ann\ud800@example.com'],
    ['161 characters', `${'a'.repeat(149)}@example.com`],
    ['a million characters', `${'a'.repeat(1_000_000)}@example.com`],
  ])('rejects an email with %s', async (_name, email) => {
    await expect(register(email)).rejects.toEqual(rejection({ email: /./ }))
  })

  it.each(['ann+chat@mail.example.com', 'änn@exämple.com', '🦊@example.com', 'ann@localhost'])(
    'takes the email %s',
    async (email) => {
      expect(await register(email)).toMatchObject({ email })
    },
  )

  it.each(['', '  ab  ', 'a'.repeat(21), 'Ann\0Ann', 'Ann\udc00'])(
    'refuses the display name %j',
    async (displayName) => {
      await expect(register('ann@example.com', { displayName })).rejects.toEqual(
        rejection({ displayName: /./ }),
      )
    },
  )

  it('counts characters, not bytes, in a display name', async () => {
    expect(await register('ann@example.com', { displayName: '🦊🌵🚲' })).toMatchObject({
      displayName: '🦊🌵🚲',
    })
  })

  it('reports every invalid field', async () => {
    await expect(register('ann', { password: 'short', displayName: 'A' })).rejects.toEqual(
      rejection({ email: /./, password: /at least 12/, displayName: /3 to 20/ }),
    )
  })
})

describe('authenticating', () => {
  const wrong = expect.objectContaining({ code: 'invalid_credentials' })

  it('finds the account by its address in any case', async () => {
    const account = await register('ann@example.com')
    expect(await authenticate(node, ' ANN@Example.com', PASSWORD)).toEqual({ ...account, hasDevice: false })
  })

  it('does not return the password hash', async () => {
    await register('ann@example.com')
    const account = await authenticate(node, 'ann@example.com', PASSWORD)
    expect(JSON.stringify(account)).not.toContain('argon2')
  })

  it('fails with the same error for a wrong password and an unknown address', async () => {
    await register('ann@example.com')
    await expect(authenticate(node, 'ann@example.com', `${PASSWORD}!`)).rejects.toEqual(wrong)
    await expect(authenticate(node, 'ben@example.com', PASSWORD)).rejects.toEqual(wrong)
  })

  it.each(['', 'ann', 'ann\0@example.com', 'ann\ud800@example.com'])('finds nobody at %j', async (email) => {
    await expect(authenticate(node, email, PASSWORD)).rejects.toEqual(wrong)
  })

  it('fails when the password changes while it waits to be verified', async () => {
    await register('ann@example.com')
    // At the full cost of a hash, so that the attempt waits behind them until the password has changed.
    const slowHash = await new Passwords().hash(PASSWORD)
    const others = Array.from({ length: 40 }, () => node.passwords.verify(slowHash, PASSWORD))
    const attempt = authenticate(node, 'ann@example.com', PASSWORD)
    const refused = expect(attempt).rejects.toEqual(wrong)
    await db.rows('update users set password_hash = $1', [await new Passwords().hash('another password')])
    await Promise.all([refused, ...others])
  })

  it('rejects any password of an account without one', async () => {
    await register('ann@example.com')
    await db.rows('update users set password_hash = null', [])
    await expect(authenticate(node, 'ann@example.com', '')).rejects.toEqual(wrong)
  })
})

describe('the settings', () => {
  it('are changed independently', async () => {
    const { id } = await register('ann@example.com')
    expect(await node.accounts.updateProfile(id, { theme: 'auto' })).toMatchObject({
      theme: 'auto',
      magnification: 1,
    })
    expect(await node.accounts.updateProfile(id, { magnification: 1.3 })).toMatchObject({
      theme: 'auto',
      magnification: 1.3,
    })
    expect(await node.accounts.setRecents(id, ['/chat/1', '/chat/2'])).toMatchObject({
      recents: ['/chat/1', '/chat/2'],
    })
    expect(await node.accounts.updateProfile(id, {})).toMatchObject({
      theme: 'auto',
      recents: ['/chat/1', '/chat/2'],
    })
  })

  it('emit an event whenever hidden is saved, changed or not', async () => {
    const { id } = await register('ann@example.com')
    const changes: object[] = []
    node.events.on('hidden_changed', (change) => changes.push(change))
    await node.accounts.setHidden(id, true)
    await node.accounts.setHidden(id, true)
    await node.accounts.updateProfile(id, { hidden: false, theme: 'night' })
    await node.accounts.updateProfile(id, { theme: 'day' })
    expect(changes).toEqual([
      { userId: id, hidden: true },
      { userId: id, hidden: true },
      { userId: id, hidden: false },
    ])
    expect(await node.accounts.find(id)).toMatchObject({ hidden: false })
  })

  it.each([0.7, 0.8, 0.9, 1, 1.1, 1.2, 1.3, 1.4])('accept the magnification %d', async (magnification) => {
    const { id } = await register('ann@example.com')
    expect(await node.accounts.updateProfile(id, { magnification })).toMatchObject({ magnification })
  })

  it.each([
    ['magnification', { magnification: 0.6 }],
    ['magnification', { magnification: 1.5 }],
    ['magnification', { magnification: 1.05 }],
    ['magnification', { magnification: Number.NaN }],
    ['magnification', { magnification: Number.POSITIVE_INFINITY }],
    ['theme', { theme: 'dusk' as 'day' }],
    ['recents', { recents: Array(101).fill('/') }],
    ['recents', { recents: ['x'.repeat(2049)] }],
    ['recents', { recents: ['\0'] }],
    ['recents', { recents: ['\ud800'] }],
  ])('reject an invalid %s (%#)', async (field, changes) => {
    const { id } = await register('ann@example.com')
    await expect(node.accounts.updateProfile(id, changes)).rejects.toEqual(rejection({ [field]: /./ }))
  })

  it('hold a hundred recents of 2,048 characters', async () => {
    const { id } = await register('ann@example.com')
    const recents = Array(100).fill('x'.repeat(2048))
    expect((await node.accounts.setRecents(id, recents)).recents).toEqual(recents)
  })
})

describe('the display name', () => {
  it('is trimmed', async () => {
    const { id } = await register('ann@example.com')
    expect(await node.accounts.setDisplayName(id, ' Annie ')).toMatchObject({ displayName: 'Annie' })
    expect(await node.accounts.find(id)).toMatchObject({ displayName: 'Annie' })
  })

  it('is rejected when it is unchanged', async () => {
    const { id } = await register('ann@example.com', { displayName: 'Annie' })
    await expect(node.accounts.setDisplayName(id, 'Annie ')).rejects.toMatchObject({ code: 'name_unchanged' })
  })

  it.each(['', 'ab', 'a'.repeat(21), 'Ann\0'])('is rejected when it is %j', async (name) => {
    const { id } = await register('ann@example.com')
    await expect(node.accounts.setDisplayName(id, name)).rejects.toEqual(rejection({ displayName: /./ }))
  })

  it('may only look like an email if it is the account’s own', async () => {
    const { id } = await register('ann@example.com', { displayName: 'Annie' })
    for (const name of ['boss@company', 'The boss@company', 'boss＠company', 'Ann@example.com']) {
      await expect(node.accounts.setDisplayName(id, name)).rejects.toEqual(
        rejection({ displayName: /email address of somebody else/ }),
      )
    }
    for (const name of ['@annie', 'Ann @ work', 'ann@example.com']) {
      expect(await node.accounts.setDisplayName(id, name)).toMatchObject({ displayName: name })
    }
  })
})

describe('the list of users', () => {
  /** Ann, who asks, and others, newest last. */
  async function register6() {
    const { id } = await register('ann@example.com')
    for (const name of ['ben', 'cleo', 'dora', 'emil', 'finn']) {
      await register(`${name}@example.com`, { displayName: `${name} the great` })
    }
    return id
  }

  function emails({ items }: { items: { email: string | null }[] }) {
    return items.map(({ email }) => email?.split('@')[0])
  }

  it('lists all other users in pages, newest first', async () => {
    const ann = await register6()
    const first = await node.directory.list(ann, { pageSize: 3 })
    expect(emails(first)).toEqual(['finn', 'emil', 'dora'])
    const second = await node.directory.list(ann, { pageSize: 3, pageToken: first.pageToken! })
    expect(emails(second)).toEqual(['cleo', 'ben'])
    expect(second.pageToken).toBeNull()
  })

  it('ends after a full last page', async () => {
    const ann = await register6()
    expect((await node.directory.list(ann, { pageSize: 5 })).pageToken).toBeNull()
  })

  it('shows only the public fields of a user', async () => {
    const { id: ann } = await register('ann@example.com')
    const { id, email, displayName } = await register('ben@example.com')
    expect((await node.directory.list(ann, {})).items).toEqual([{ id, email, displayName, confirmed: false }])
  })

  it('can be searched by a part of the email or name, in any letter case', async () => {
    const ann = await register6()
    expect(emails(await node.directory.list(ann, { search: 'CLEO@ex' }))).toEqual(['cleo'])
    expect(emails(await node.directory.list(ann, { search: 'Dora The' }))).toEqual(['dora'])
    expect(emails(await node.directory.list(ann, { search: 'ann' }))).toEqual([])
    expect(emails(await node.directory.list(ann, { search: '' })).length).toBe(5)
  })

  it.each(['%', '_', '\\', "'", 'c%o', 'dr_eat'])('treats %j in a search literally', async (search) => {
    const ann = await register6()
    expect(emails(await node.directory.list(ann, { search }))).toEqual([])
    await register('gina@example.com', { displayName: `${search} Gina` })
    expect(emails(await node.directory.list(ann, { search }))).toEqual(['gina'])
  })

  it('rejects a search that cannot be stored', async () => {
    const { id } = await register('ann@example.com')
    await expect(node.directory.list(id, { search: '\0' })).rejects.toEqual(rejection({ search: /./ }))
  })

  it('rejects a page token of another user or search, and a modified one', async () => {
    const ann = await register6()
    const { pageToken } = await node.directory.list(ann, { pageSize: 1 })
    const { id: gina } = await register('gina@example.com')
    const bad = { code: 'invalid_page_token' }
    await expect(node.directory.list(gina, { pageToken: pageToken! })).rejects.toMatchObject(bad)
    await expect(node.directory.list(ann, { pageToken: pageToken!, search: 'e' })).rejects.toMatchObject(bad)
    await expect(
      node.directory.list(ann, { pageToken: `${pageToken!.slice(0, -1)}~` }),
    ).rejects.toMatchObject(bad)
  })
})

describe('signing in', () => {
  it('returns the account, its conversations and their other members', async () => {
    const ann = await register('ann@example.com')
    const ben = await register('ben@example.com')
    await register('cleo@example.com')
    const { conversation } = await node.conversations.startPrivate(ann.id, {
      otherUserId: ben.id,
      publicKey: {},
      privateKey: {},
    })
    const details = await node.accounts.signInDetails(ann.id)
    expect(details.account).toEqual(ann)
    expect(details.conversations.map(({ id }) => id)).toEqual([conversation.id])
    expect(details.users.map(({ id }) => id)).toEqual([ben.id])
  })
})
