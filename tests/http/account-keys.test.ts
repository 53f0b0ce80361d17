import { exportJWK, generateKeyPair } from 'jose'
import { describe, expect, it } from 'vitest'
import { accountThumbprint } from '../../src/account-keys/index.ts'
import { signEntry } from '../../src/account-keys/sign-entry.ts'
import { type KeySetBody, lock, makeKeySet, newPair, type TestKeySet } from '../support/account-keys.ts'
import { type SignedIn, startApi, startApiOn, type TestApi } from '../support/api.ts'
import { setUpDatabase } from '../support/set-up-database.ts'

const db = setUpDatabase()

const FIRST = { 'if-none-match': '*' }
const MINUTE = 60_000
const isoTime = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)

function put(api: TestApi, owner: SignedIn, body: unknown, headers: Record<string, string>) {
  return api.send('PUT /api/keys', { token: owner.auth_token, body, headers })
}

/** Stores the first key set of a user. */
async function createKeys(api: TestApi, owner: SignedIn): Promise<TestKeySet> {
  const set = await makeKeySet(owner.user.id)
  expect((await put(api, owner, set.body, FIRST)).statusCode).toBe(200)
  return set
}

/** Stores the next key set of a user. */
async function replaceKeys(
  api: TestApi,
  owner: SignedIn,
  after: TestKeySet,
  options: { reset?: boolean; sameKeys?: boolean } = {},
): Promise<TestKeySet> {
  const set = await makeKeySet(owner.user.id, { after, ...options })
  const response = await put(api, owner, set.body, { 'if-match': `"${after.read.version}"` })
  expect(response.json()).toHaveProperty('version', set.read.version)
  return set
}

async function start(config: Parameters<typeof startApi>[1] = {}) {
  const api = await startApi(db, config)
  return { api, ann: await api.register('ann'), bob: await api.register('bob') }
}

describe('a key set', () => {
  it('is stored and read by its owner, with its version as the ETag', async () => {
    const { api, ann } = await start()
    const { body } = await makeKeySet(ann.user.id)
    const stored = await put(api, ann, body, FIRST)
    expect(stored.statusCode).toBe(200)
    expect(stored.headers.etag).toBe('"1"')
    const { encryption_key, signing_key, locked } = body
    expect(stored.json()).toEqual({
      version: 1,
      encryption_key,
      signing_key,
      thumbprint: await accountThumbprint(ann.user.id, body),
      locked,
      updated_at: isoTime,
    })
    const read = await api.send('GET /api/keys', { token: ann.auth_token })
    expect(read.headers.etag).toBe('"1"')
    expect(read.json()).toEqual(stored.json())
  })

  it('is 404 no_keys before the first one is stored', async () => {
    const { api, ann } = await start()
    const response = await api.send('GET /api/keys', { token: ann.auth_token })
    expect([response.statusCode, response.json().error.code]).toEqual([404, 'no_keys'])
  })

  it('is replaced by the next version, with the same or with other keys', async () => {
    const { api, ann } = await start()
    const first = await createKeys(api, ann)
    const second = await replaceKeys(api, ann, first)
    const third = await replaceKeys(api, ann, second, { sameKeys: true })
    const read = (await api.send('GET /api/keys', { token: ann.auth_token })).json()
    expect(read).toMatchObject(third.publicKeys)
    expect(read.thumbprint).toBe(second.read.thumbprint)
    expect(read.thumbprint).not.toBe(first.read.thumbprint)
  })

  it('is not replaced without a condition, or against one', async () => {
    const { api, ann } = await start()
    const first = await makeKeySet(ann.user.id)
    const code = async (body: KeySetBody, headers: Record<string, string>) => {
      const response = await put(api, ann, body, headers)
      return [response.statusCode, response.json().error?.code]
    }
    expect(await code(first.body, {})).toEqual([428, 'precondition_required'])
    expect(await code(first.body, { 'if-match': '"1"' })).toEqual([412, 'precondition_failed'])
    expect(await code(first.body, { 'if-match': '*' })).toEqual([412, 'precondition_failed'])
    expect((await put(api, ann, first.body, FIRST)).statusCode).toBe(200)
    const { body } = await makeKeySet(ann.user.id, { after: first })
    for (const header of ['"2"', 'W/"1"', '"01"', '"2", W/"1"', '']) {
      expect(await code(body, { 'if-match': header }), header).toEqual(
        header ? [412, 'precondition_failed'] : [400, 'bad_request'],
      )
    }
    expect(await code(body, { 'if-match': '1' })).toEqual([400, 'bad_request'])
    expect(await code(body, FIRST)).toEqual([412, 'precondition_failed'])
    expect(await code(body, { 'if-none-match': 'W/"1"' })).toEqual([412, 'precondition_failed'])
    expect((await put(api, ann, body, { 'if-match': '"7" , "1"' })).statusCode).toBe(200)
  })

  it('is not sent again to a client that has it', async () => {
    const { api, ann } = await start()
    await createKeys(api, ann)
    const get = (headers: Record<string, string>) =>
      api.send('GET /api/keys', { token: ann.auth_token, headers })
    for (const header of ['"1"', 'W/"1"', '"x,y", "1"', '*']) {
      const response = await get({ 'if-none-match': header })
      expect([response.statusCode, response.body, response.headers.etag]).toEqual([304, '', '"1"'])
    }
    expect((await get({ 'if-none-match': '"2"' })).statusCode).toBe(200)
    expect((await get({ 'if-match': '"2"' })).statusCode).toBe(412)
    expect((await get({ 'if-match': '"1"' })).statusCode).toBe(200)
  })

  it('is stored by one of two devices at the same time', async () => {
    const { api, ann } = await start()
    const first = await createKeys(api, ann)
    const other = await startApiOn(db, {}, api.clock)
    const headers = { 'if-match': '"1"' }
    const sets = await Promise.all([1, 2].map(() => makeKeySet(ann.user.id, { after: first })))
    const [one, two] = await Promise.all([
      put(api, ann, sets[0]!.body, headers),
      put(other, ann, sets[1]!.body, headers),
    ])
    expect([one.statusCode, two.statusCode].sort()).toEqual([200, 412])
    const won = sets[one.statusCode === 200 ? 0 : 1]!
    const read = await other.send('GET /api/keys', { token: ann.auth_token })
    expect(read.json()).toMatchObject(won.publicKeys)
  })

  it('is created by one of two devices at the same time', async () => {
    const { api, ann } = await start()
    const sets = await Promise.all([1, 2].map(() => makeKeySet(ann.user.id)))
    const answers = await Promise.all(sets.map(({ body }) => put(api, ann, body, FIRST)))
    expect(answers.map(({ statusCode }) => statusCode).sort()).toEqual([200, 412])
  })

  it('is returned again when its request is repeated, until it is replaced', async () => {
    const { api, ann } = await start()
    const { body, ...first } = await createKeys(api, ann)
    const again = await put(api, ann, body, FIRST)
    expect([again.statusCode, again.json().version]).toEqual([200, 1])
    await replaceKeys(api, ann, { body, ...first })
    expect((await put(api, ann, body, FIRST)).statusCode).toBe(412)
  })

  it('may be changed twenty times an hour', async () => {
    const { api, ann } = await start()
    const { body } = await createKeys(api, ann)
    for (let n = 1; n < 20; n++) expect((await put(api, ann, body, FIRST)).statusCode).toBe(200)
    expect((await put(api, ann, body, FIRST)).statusCode).toBe(429)
  })
})

describe('a key set is rejected', () => {
  const rejects = async (
    change: (body: KeySetBody, userId: string) => unknown,
    fields: Record<string, unknown>,
  ) => {
    const { api, ann } = await start()
    const { body } = await makeKeySet(ann.user.id)
    const response = await put(api, ann, await change(body, ann.user.id), FIRST)
    expect(response.statusCode).toBe(422)
    expect(response.json().errors).toEqual(fields)
    const read = await api.send('GET /api/keys', { token: ann.auth_token })
    expect(read.statusCode).toBe(404)
  }

  it('with a private key in place of a public one', async () => {
    const { privateKey } = await generateKeyPair('ECDH-ES', { extractable: true })
    const { crv, kty, x, y, d } = await exportJWK(privateKey)
    await rejects((body) => ({ ...body, encryption_key: { crv, kty, x, y, d } }), {
      encryption_key: ['has a member that is not allowed'],
    })
  })

  it('with a key of another curve or kind, or of no point of the curve', async () => {
    const { publicKey } = await generateKeyPair('ES384', { extractable: true })
    const { crv, kty, x, y } = await exportJWK(publicKey)
    const notValid = { signing_key: [expect.stringContaining('must be P-256'), expect.anything()] }
    await rejects((body) => ({ ...body, signing_key: { crv, kty, x, y } }), notValid)
    const offCurve = { encryption_key: [expect.stringContaining('must be a public key of P-256')] }
    await rejects(
      (body) => ({ ...body, encryption_key: { ...body.encryption_key, y: body.encryption_key.x } }),
      offCurve,
    )
    const zero = 'A'.repeat(43)
    await rejects(
      (body) => ({ ...body, encryption_key: { ...body.encryption_key, x: zero, y: zero } }),
      offCurve,
    )
  })

  it('with one key for both purposes', async () => {
    await rejects(
      async (body, userId) => {
        const signer = await newPair('ES256')
        const { publicKey } = signer
        const entry = await signEntry({
          userId,
          encryptionKey: publicKey,
          signer,
          issuedAt: new Date(),
          previous: null,
        })
        return { ...body, encryption_key: publicKey, signing_key: publicKey, entry }
      },
      { entry: ['has a key that is not a public key of P-256, or the same key twice'] },
    )
  })

  const JWS = 'eyJhbGciOiJFUzI1NiJ9.eyJrZXlzIjpbXX0.c2lnbmF0dXJl'
  const header = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  it.each<[what: string, locked: () => string | Promise<string>, message: string]>([
    ['plain JSON', () => '{"keys":[]}', 'must be a JWE in compact serialization'],
    ['a readable JWK', () => JSON.stringify({ kty: 'EC', d: 'x' }), 'must be a JWE in compact serialization'],
    ['a JWS', () => JWS, 'must be a JWE in compact serialization'],
    ['nothing', () => '', 'must be a JWE in compact serialization'],
    ['a JWE without a ciphertext', () => `${header({})}...x.x`, 'must be a JWE in compact serialization'],
    [
      'no encryption of the content key',
      () => `${header({ alg: 'dir', enc: 'A256GCM' })}..AAAA.AAAA.AAAA`,
      'must be encrypted by PBES2-HS512+A256KW and A256GCM',
    ],
    [
      'another content encryption',
      () => lock({ enc: 'A256CBC-HS512', p2c: 1_000 }),
      'must be encrypted by PBES2-HS512+A256KW and A256GCM',
    ],
    ['few iterations', () => lock({ p2c: 1_000 }), 'must have a p2c of at least 600000'],
    [
      'a short salt',
      () =>
        `${header({ alg: 'PBES2-HS512+A256KW', enc: 'A256GCM', p2c: 600_000, p2s: 'AAAA' })}.AAAA.AAAA.AAAA.AAAA`,
      'must have a p2s of at least 16 bytes',
    ],
    [
      'parts of the wrong length',
      () => {
        const p2s = 'A'.repeat(22)
        return `${header({ alg: 'PBES2-HS512+A256KW', enc: 'A256GCM', p2c: 600_000, p2s })}.AAAA.AAAA.AAAA.AAAA`
      },
      'has a part of the wrong length',
    ],
    ['too much', () => 'x'.repeat(16_385), 'must have at most 16384 bytes'],
  ])('with %s as the locked private keys', async (_what, locked, message) => {
    const value = await locked()
    await rejects((body) => ({ ...body, locked: value }), { locked: [message] })
  })

  it('with an entry of another user, of other keys, or with a changed signature', async () => {
    const stranger = await makeKeySet('01890000-0000-7000-8000-000000000000')
    await rejects(() => stranger.body, { entry: ['is of another user'] })
    await rejects(async (body, id) => ({ ...body, entry: (await makeKeySet(id)).body.entry }), {
      entry: ['has other keys than the key set'],
    })
    await rejects(
      async (body, id) => {
        const { signatures } = (await makeKeySet(id)).body.entry
        return { ...body, entry: { ...body.entry, signatures } }
      },
      { entry: ['is not signed by the keys that must sign it'] },
    )
    await rejects(
      (body) => {
        const header = body.entry.signatures[0]!.protected
        const signatures = [{ protected: header, signature: 'A'.repeat(86) }]
        return { ...body, entry: { ...body.entry, signatures } }
      },
      { entry: ['has a signature that is not valid'] },
    )
    await rejects((body) => ({ ...body, entry: { ...body.entry, payload: 'x'.repeat(5_000) } }), {
      entry: ['is too large'],
    })
  })
})

describe('the next key set is rejected', () => {
  const rejects = async (
    next: (first: TestKeySet, userId: string) => Promise<KeySetBody>,
    message: string,
  ) => {
    const { api, ann } = await start()
    const first = await createKeys(api, ann)
    const response = await put(api, ann, await next(first, ann.user.id), { 'if-match': '"1"' })
    expect(response.json().errors).toEqual({ entry: [message] })
  }

  it('with a version that skips one, or that replays an entry', async () => {
    await rejects(async (after, id) => {
      const skipped = await makeKeySet(id, { after })
      return (await makeKeySet(id, { after: skipped })).body
    }, 'does not have the next version')
    await rejects(async ({ body }) => ({ ...body, locked: await lock() }), 'does not have the next version')
  })

  it('with an entry that follows another one', async () => {
    await rejects(async (_, id) => {
      const forked = await makeKeySet(id)
      return (await makeKeySet(id, { after: forked })).body
    }, 'does not name the entry before it')
  })

  it('without the signature of the key before, or with that of another key', async () => {
    await rejects(async (after, id) => {
      const { body } = await makeKeySet(id, { after })
      return { ...body, entry: { ...body.entry, signatures: body.entry.signatures.slice(0, 1) } }
    }, 'is not signed by the keys that must sign it')
    await rejects(async (after, id) => {
      const signer = await newPair('ES256')
      return (await makeKeySet(id, { after: { ...after, signer } })).body
    }, 'is not signed by the keys that must sign it')
  })
})

describe('a reset', () => {
  it('needs a session that was opened within ten minutes', async () => {
    const { api, ann } = await start()
    const first = await createKeys(api, ann)
    const { body } = await makeKeySet(ann.user.id, { after: first, reset: true })
    api.clock.advance(10 * MINUTE)
    const late = await put(api, ann, body, { 'if-match': '"1"' })
    expect([late.statusCode, late.json().error.code]).toEqual([403, 'reauthentication_required'])
    const fresh = (await api.login('ann')).json<SignedIn>()
    expect((await put(api, fresh, body, { 'if-match': '"1"' })).statusCode).toBe(200)
  })

  it('is written to the owner, and every change is in the security log', async () => {
    const { api, ann } = await start()
    const first = await createKeys(api, ann)
    const second = await replaceKeys(api, ann, first)
    const subjects = async () =>
      (await api.emails()).filter(({ to }) => to === 'ann@example.com').map(({ subject }) => subject)
    expect(await subjects()).not.toContain('Your encryption keys were reset')
    await replaceKeys(api, ann, second, { reset: true })
    expect((await subjects())[0]).toBe('Your encryption keys were reset')
    const kinds = api.log.lines.map(({ security }) => security).filter((kind) => /^keys_/.test(String(kind)))
    expect(kinds).toEqual(['keys_created', 'keys_replaced', 'keys_reset'])
    await api.services.securityLog.stop()
    const activity = (await api.send('GET /api/account/activity', { token: ann.auth_token })).json()
    expect(activity.items.slice(0, 3).map(({ kind }: { kind: string }) => kind)).toEqual(kinds.toReversed())
  })

  it('leaves the history as it was', async () => {
    const { api, ann, bob } = await start()
    const first = await createKeys(api, ann)
    const second = await replaceKeys(api, ann, first, { reset: true })
    const response = await api.send(`GET /api/keys/${ann.user.id}/history`, { token: bob.auth_token })
    expect(response.json()).toEqual({ items: [first.body.entry, second.body.entry] })
  })
})

describe('POST /api/keys/query', () => {
  const query = async (api: TestApi, caller: SignedIn, body: object) => {
    const response = await api.send('POST /api/keys/query', { token: caller.auth_token, body })
    expect(response.statusCode).toBe(200)
    return response.json<{ items: { user_id: string }[] }>().items
  }

  it('returns the public keys of the users who have some', async () => {
    const { api, ann, bob } = await start()
    const { publicKeys, read } = await createKeys(api, ann)
    const cid = await api.register('cid')
    const user_ids = [ann.user.id, ann.user.id.toUpperCase(), cid.user.id, 'x', crypto.randomUUID()]
    expect(await query(api, bob, { user_ids })).toEqual([
      { user_id: ann.user.id, ...publicKeys, thumbprint: read.thumbprint },
    ])
    expect(await query(api, bob, { user_ids: [] })).toEqual([])
  })

  it('adds what is new in the histories', async () => {
    const { api, ann, bob } = await start()
    const first = await createKeys(api, ann)
    const second = await replaceKeys(api, ann, first)
    const bobs = await createKeys(api, bob)
    const user_ids = [ann.user.id, bob.user.id]
    const histories = async (known_versions: Record<string, number>) =>
      Object.fromEntries(
        (await query(api, bob, { user_ids, known_versions })).map((item) => [
          item.user_id,
          (item as unknown as { history: unknown }).history,
        ]),
      )
    expect(await histories({ [ann.user.id]: 1, [crypto.randomUUID()]: 3 })).toEqual({
      [ann.user.id]: [second.body.entry],
      [bob.user.id]: [bobs.body.entry],
    })
    expect(await histories({ [ann.user.id]: 2, [bob.user.id]: 9 })).toEqual({
      [ann.user.id]: [],
      [bob.user.id]: [],
    })
    expect(await histories({})).toMatchObject({ [ann.user.id]: [first.body.entry, second.body.entry] })
  })

  it('returns with DIRECTORY=members only oneself and those who share a conversation or room', async () => {
    const { api, ann, bob } = await start({ directory: 'members' })
    const [cid, dan] = [await api.register('cid'), await api.register('dan')]
    for (const person of [ann, bob, cid, dan]) await createKeys(api, person)
    await api.startConversation(ann, bob)
    await api.services.rooms.create(ann.user.id, { name: 'Chamber', userIds: [cid.user.id] })
    const user_ids = [ann, bob, cid, dan].map(({ user }) => user.id)
    const visible = async (caller: SignedIn) =>
      (await query(api, caller, { user_ids, known_versions: {} })).map(({ user_id }) => user_id)
    expect(await visible(ann)).toEqual([ann, bob, cid].map(({ user }) => user.id).sort())
    expect(await visible(bob)).toEqual([ann, bob].map(({ user }) => user.id).sort())
    expect(await visible(dan)).toEqual([dan.user.id])
    const history = (caller: SignedIn, { user }: SignedIn) =>
      api.send(`GET /api/keys/${user.id}/history`, { token: caller.auth_token })
    expect((await history(bob, ann)).statusCode).toBe(200)
    expect((await history(dan, dan)).statusCode).toBe(200)
    const hidden = await history(bob, cid)
    const unknown = await api.send(`GET /api/keys/${crypto.randomUUID()}/history`, { token: bob.auth_token })
    expect([hidden.statusCode, hidden.json().error.code]).toEqual([404, 'no_keys'])
    expect(hidden.json()).toEqual(unknown.json())
  })

  it('takes at most 500 ids, and 60 queries a minute', async () => {
    const { api, bob } = await start()
    const send = (body: object) => api.send('POST /api/keys/query', { token: bob.auth_token, body })
    expect((await send({ user_ids: Array(501).fill('x') })).statusCode).toBe(422)
    for (let n = 0; n < 60; n++) expect((await send({ user_ids: ['x'] })).statusCode).toBe(200)
    expect((await send({ user_ids: ['x'] })).statusCode).toBe(429)
  })
})

describe('GET /api/keys/:user_id/history', () => {
  it('lists at most 100 entries after a version, oldest first', async () => {
    const { api, ann, bob } = await start()
    const { body } = await createKeys(api, ann)
    await db.rows(
      `insert into account_key_history (user_id, version, entry)
      select $1, n, jsonb_set($2::jsonb, '{payload}', to_jsonb(n::text)) from generate_series(2, 150) n`,
      [ann.user.id, JSON.stringify(body.entry)],
    )
    await db.rows('update account_keys set version = 150 where user_id = $1', [ann.user.id])
    const payloads = async (query: string) => {
      const line = `GET /api/keys/${ann.user.id}/history${query}`
      const { items } = (await api.send(line, { token: bob.auth_token })).json()
      return items.map(({ payload }: { payload: string }) => payload)
    }
    const numbers = (from: number, to: number) =>
      Array.from({ length: to - from + 1 }, (_, n) => String(from + n))
    expect(await payloads('')).toEqual([body.entry.payload, ...numbers(2, 100)])
    expect(await payloads('?after_version=100')).toEqual(numbers(101, 150))
    expect(await payloads('?after_version=999999999')).toEqual([])
  })

  it('is 404 for users without keys', async () => {
    const { api, ann, bob } = await start()
    for (const id of [bob.user.id, 'x', '%00']) {
      const response = await api.send(`GET /api/keys/${id}/history`, { token: ann.auth_token })
      expect([response.statusCode, response.json().error.code]).toEqual([404, 'no_keys'])
    }
  })
})

it('tells browsers that PUT is allowed and that the ETag may be read', async () => {
  const { api, ann } = await start()
  await createKeys(api, ann)
  const preflight = await api.send('OPTIONS /api/keys', {
    headers: {
      origin: 'https://chat.example.com',
      'access-control-request-method': 'PUT',
      'access-control-request-headers': 'authorization, content-type, if-match, if-none-match',
    },
  })
  expect(preflight.headers['access-control-allow-methods']).toContain('PUT')
  expect(preflight.headers['access-control-allow-headers']).toMatch(/if-match.*if-none-match/)
  const headers = { origin: 'https://chat.example.com' }
  const read = await api.send('GET /api/keys', { token: ann.auth_token, headers })
  expect(read.headers['access-control-expose-headers']).toContain('ETag')
})
