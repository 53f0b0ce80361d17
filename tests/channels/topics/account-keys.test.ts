import type { Channel } from 'phoenix'
import { describe, expect, it } from 'vitest'
import { lock, storeKeys, type TestKeySet } from '../../support/account-keys.ts'
import { type Person, startApp, startNodes, type TestApp } from '../../support/app.ts'
import { KEYS, push, startGroup } from '../../support/conversations.ts'
import { eventually } from '../../support/eventually.ts'
import { type Json, listen, settle } from '../../support/phoenix.ts'

function keysOf(app: TestApp, reader: Person, id: string) {
  return app.request('GET', `/api/conversations/${id}/keys`, { token: reader.token })
}

async function join(person: Person, id: string): Promise<Json> {
  const { response } = await settle(
    person.connect().channel(`conversation:${id}`, { token: person.token }).join(),
  )
  return response
}

describe.each(['documented', 'legacy'] as const)('account_keys (%s)', (CONTRACT) => {
  it('are in the reply to a join and in GET /api/conversations/:id/keys', async () => {
    const app = await startApp({ CONTRACT })
    const { id, people } = await startGroup(app, ['ann', 'bob', 'eve'])
    const [ann, bob, eve] = people as [Person, Person, Person]
    expect((await join(bob, id)).account_keys).toEqual({})
    const anns = await storeKeys(app, ann)
    const bobs = await storeKeys(app, bob)
    const account_keys = { [ann.id]: anns.publicKeys, [bob.id]: bobs.publicKeys }
    const reply = await join(eve, id)
    expect(reply.account_keys).toEqual(account_keys)
    expect(JSON.stringify(reply)).not.toContain(anns.body.locked)
    const { status, body } = await keysOf(app, eve, id)
    expect(status).toBe(200)
    expect(body).toEqual({ account_keys, public_keys: reply.public_keys })
    expect(Object.keys(body.public_keys[ann.id])).toEqual(Object.keys(reply.public_keys[ann.id]))
    const next = await storeKeys(app, ann, anns)
    expect((await join(eve, id)).account_keys[ann.id]).toEqual(next.publicKeys)
  })

  it('are in new_conversation, so that others can be written to before they have opened it', async () => {
    const app = await startApp({ CONTRACT })
    const { people, userChannels, id } = await startGroup(app, ['ann', 'bob'])
    const [ann, bob] = people as [Person, Person]
    const cid = await app.signUp('cid')
    const [anns, cids] = [await storeKeys(app, ann), await storeKeys(app, cid)]
    const nextEvent = listen(userChannels[1] as Channel, 'new_conversation')
    const cidsEvent = listen(await cid.join(`user:${cid.id}`), 'new_conversation')
    const system = await ann.join('system:general')
    await push(ann, system, 'start_group_conversation', { user_ids: [bob.id], ...KEYS })
    expect((await nextEvent()).account_keys).toEqual({ [ann.id]: anns.publicKeys })
    const channel = await ann.join(`conversation:${id}`)
    await push(ann, channel, 'modify_conversation', { new_members: [cid.id] })
    const account_keys = { [ann.id]: anns.publicKeys, [cid.id]: cids.publicKeys }
    expect((await nextEvent()).account_keys).toEqual(account_keys)
    expect((await cidsEvent()).account_keys).toEqual(account_keys)
  })
})

it('account_keys are left out of new_conversation in groups of more than 100 members', async () => {
  const app = await startApp()
  const ann = await app.signUp('ann')
  const { publicKeys } = await storeKeys(app, ann)
  const crowd = Array.from({ length: 100 }, () => crypto.randomUUID())
  await app.database.rows(
    `insert into users (id, short_id, email, username, display_name)
    select id, left(id::text, 21), id, id, id from unnest($1::uuid[]) as t (id)`,
    [`{${crowd.join()}}`],
  )
  const nextEvent = listen(await ann.join(`user:${ann.id}`), 'new_conversation')
  const system = await ann.join('system:general')
  for (const [user_ids, expected] of [
    [crowd, undefined],
    [crowd.slice(1), { [ann.id]: publicKeys }],
  ]) {
    const { response: id } = await push(ann, system, 'start_group_conversation', { user_ids })
    expect((await nextEvent()).account_keys).toEqual(expected)
    expect((await join(ann, id)).account_keys).toEqual({ [ann.id]: publicKeys })
  }
})

describe('GET /api/conversations/:id/keys', () => {
  it('is rejected for non-members and unknown or malformed ids', async () => {
    const app = await startApp()
    const { id } = await startGroup(app, ['ann', 'bob'])
    const eve = await app.signUp('eve')
    for (const conversation of [id, crypto.randomUUID(), 'x', '%00']) {
      const { status, body } = await keysOf(app, eve, conversation)
      expect([status, body.error.code]).toEqual([403, 'no_conversation'])
    }
  })
})

describe('starting a conversation without keys', () => {
  const starts = (other: Person) =>
    [
      ['start_group_conversation', { user_ids: [other.id] }],
      ['start_private_conversation', { other_user_id: other.id }],
    ] as const

  it('is possible for an account with a key set, and leaves the keys of the conversation unset', async () => {
    const app = await startApp()
    const [ann, bob] = [await app.signUp('ann'), await app.signUp('bob')]
    const { publicKeys } = await storeKeys(app, ann)
    const system = await ann.join('system:general')
    for (const [event, payload] of starts(bob)) {
      const { status, response: id } = await push(ann, system, event, payload)
      expect(status).toBe('ok')
      const reply = await join(ann, id)
      expect(reply).toMatchObject({ public_keys: {}, private_key: null })
      expect(reply.account_keys).toEqual({ [ann.id]: publicKeys })
      const channel = await ann.join(`conversation:${id}`)
      expect(await push(ann, channel, 'set_encryption_keys', KEYS)).toMatchObject({ status: 'ok' })
    }
  })

  it('is rejected for an account without one, also if another member has one', async () => {
    const app = await startApp()
    const [ann, bob] = [await app.signUp('ann'), await app.signUp('bob')]
    await storeKeys(app, bob)
    const system = await ann.join('system:general')
    for (const [event, payload] of starts(bob)) {
      expect((await push(ann, system, event, payload)).response).toEqual({
        reason: 'invalid_payload',
        errors: { public_key: ['is required unless the account has a key set'] },
      })
    }
    const list = await app.request('GET', '/api/conversations', { token: ann.token })
    expect(list.body.items).toEqual([])
  })

  it('is rejected with one of the two keys', async () => {
    const app = await startApp()
    const [ann, bob] = [await app.signUp('ann'), await app.signUp('bob')]
    await storeKeys(app, ann)
    const system = await ann.join('system:general')
    const { public_key, private_key } = KEYS
    for (const [event, payload] of starts(bob)) {
      const withOne = async (key: object) =>
        Object.keys((await push(ann, system, event, { ...payload, ...key })).response.errors)
      expect(await withOne({ public_key })).toEqual(['private_key'])
      expect(await withOne({ private_key })).toEqual(['public_key'])
    }
  })
})

describe('PRIVATE_KEYS=locked', () => {
  const readable = [
    ['a private key', KEYS.private_key],
    ['no d', { kty: 'RSA', n: 'x', e: 'AQAB' }],
    ['a JWS as d', { kty: 'RSA', d: 'eyJhbGciOiJFUzI1NiJ9.eyJ9.eyJ9' }],
    ['five parts that are no JWE', { kty: 'RSA', d: 'x.x.x.x.x' }],
  ] as const

  it.each(readable)('rejects %s', async (_what, private_key) => {
    const app = await startApp({ PRIVATE_KEYS: 'locked' })
    const [ann, bob] = [await app.signUp('ann'), await app.signUp('bob')]
    const system = await ann.join('system:general')
    const keys = { public_key: KEYS.public_key, private_key }
    const start = { other_user_id: bob.id, ...keys }
    const { response } = await push(ann, system, 'start_private_conversation', start)
    expect(response).toEqual({
      reason: 'invalid_payload',
      errors: { private_key: [expect.stringContaining('must be locked on this server')] },
    })
  })

  it('accepts a key whose d is a JWE, unless another secret member can be read', async () => {
    const app = await startApp({ PRIVATE_KEYS: 'locked' })
    const d = await lock()
    const locked = { public_key: KEYS.public_key, private_key: { ...KEYS.public_key, d, p: null } }
    const [ann, bob] = [await app.signUp('ann'), await app.signUp('bob')]
    const system = await ann.join('system:general')
    const start = { other_user_id: bob.id, ...locked }
    const { status, response: id } = await push(ann, system, 'start_private_conversation', start)
    expect(status).toBe('ok')
    expect((await join(ann, id)).private_key).toEqual(locked.private_key)
    const channel = await bob.join(`conversation:${id}`)
    const setKeys = (keys: object) => push(bob, channel, 'set_encryption_keys', keys)
    for (const name of ['p', 'q', 'dp', 'dq', 'qi', 'oth', 'k']) {
      const private_key = { ...locked.private_key, [name]: 'x' }
      expect((await setKeys({ ...locked, private_key })).response.errors, name).toHaveProperty('private_key')
    }
    expect((await setKeys(locked)).status).toBe('ok')
  })
})

describe('keys_changed', () => {
  it('reaches those who share a conversation and the own devices, before the reply', async () => {
    const app = await startApp()
    const { people, userChannels } = await startGroup(app, ['ann', 'bob', 'eve'])
    const [ann] = people as [Person]
    const mallory = await app.signUp('mallory')
    const received: [string, Json][] = []
    const record = (name: string, channel: Channel) =>
      channel.on('keys_changed', (payload) => void received.push([name, payload]))
    for (const [n, name] of ['ann', 'bob', 'eve'].entries()) record(name, userChannels[n] as Channel)
    record('mallory', await mallory.join(`user:${mallory.id}`))
    const first = await storeKeys(app, ann)
    const event = (set: TestKeySet) => ({
      user_id: ann.id,
      version: set.read.version,
      thumbprint: set.read.thumbprint,
    })
    const names = ['ann', 'bob', 'eve']
    await eventually(() => expect(received.toSorted()).toEqual(names.map((name) => [name, event(first)])))
    received.length = 0
    const second = await storeKeys(app, ann, first)
    await eventually(() => expect(received.toSorted()).toEqual(names.map((name) => [name, event(second)])))
  })

  it('reaches users on other nodes', async () => {
    const [here, there] = await startNodes(2)
    const { people } = await startGroup(here!, ['ann', 'bob'])
    const [ann, bob] = people as [Person, Person]
    const channel = bob.connect({ at: there! }).channel(`user:${bob.id}`, { token: bob.token })
    await settle(channel.join())
    const nextEvent = listen(channel, 'keys_changed')
    const { read } = await storeKeys(here!, ann)
    expect(await nextEvent()).toEqual({ user_id: ann.id, version: 1, thumbprint: read.thumbprint })
  })

  it('reaches each of more than a thousand contacts once', async () => {
    const app = await startApp()
    const ann = await app.signUp('ann')
    const crowd = Array.from({ length: 1_200 }, () => crypto.randomUUID())
    const groups = [1, 2, 3].map(() => crypto.randomUUID())
    await app.database.rows(
      `insert into users (id, short_id, email, username, display_name)
      select id, left(id::text, 21), id, id, id from unnest($1::uuid[]) as t (id)`,
      [`{${crowd.join()}}`],
    )
    for (const [n, group] of groups.entries()) {
      await app.database.rows('insert into conversations (id, private) values ($1, false)', [group])
      const members = [ann.id, ...crowd.slice(n * 400, n * 400 + 450)]
      await app.database.rows(
        'insert into members (conversation_id, user_id) select $1, id from unnest($2::uuid[]) as t (id)',
        [group, `{${members.join()}}`],
      )
    }
    const broadcasts: string[] = []
    const { pubsub } = app.endpoint
    const { broadcast } = pubsub
    pubsub.broadcast = (topic, event, payload) => {
      if (event === 'keys_changed') broadcasts.push(topic)
      broadcast.call(pubsub, topic, event, payload)
    }
    await storeKeys(app, ann)
    const expected = [ann.id, ...crowd].map((id) => `user:${id}`)
    await eventually(() => expect(broadcasts).toHaveLength(expected.length))
    expect(broadcasts[0]).toBe(`user:${ann.id}`)
    expect(broadcasts.toSorted()).toEqual(expected.toSorted())
  })
})
