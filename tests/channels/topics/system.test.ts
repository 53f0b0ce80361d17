import { randomUUID } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { type Person, startApp } from '../../support/app.ts'
import { KEYS, push } from '../../support/conversations.ts'
import { type Json, listen, settle } from '../../support/phoenix.ts'

const members = (...people: Person[]) => people.map(({ id }) => id).sort()

describe('joining system:general', () => {
  it('sends the presence state, by user id', async () => {
    const app = await startApp()
    const [ann, bob] = [await app.signUp('ann'), await app.signUp('bob')]
    await ann.join('system:general')
    const channel = bob.connect().channel('system:general', { token: bob.token })
    const state = listen(channel, 'presence_state')
    expect(await settle(channel.join())).toEqual({ status: 'ok', response: {} })
    const meta = { online_at: String(app.clock.now() / 1000), phx_ref: expect.any(String) }
    expect(await state()).toEqual({ [ann.id]: { metas: [meta] }, [bob.id]: { metas: [meta] } })
  })

  it.each([{}, { token: 'wrong' }, { token: null }, { token: undefined }])(
    'is rejected with %j',
    async (payload) => {
      const app = await startApp()
      const ann = await app.signUp('ann')
      const join = await settle(ann.connect().channel('system:general', payload).join())
      expect(join).toEqual({ status: 'error', response: { reason: 'Invalid Token' } })
    },
  )

  it("is rejected with another user's token", async () => {
    const app = await startApp()
    const [ann, bob] = [await app.signUp('ann'), await app.signUp('bob')]
    const join = await settle(ann.connect().channel('system:general', { token: bob.token }).join())
    expect(join.response).toEqual({ reason: 'Invalid Token' })
  })

  it('is rejected when hidden is not a boolean', async () => {
    const app = await startApp()
    const ann = await app.signUp('ann')
    const join = await settle(
      ann.connect().channel('system:general', { token: ann.token, hidden: 'yes' }).join(),
    )
    expect(join).toEqual({
      status: 'error',
      response: { reason: 'invalid_payload', errors: { hidden: ['must be true or false'] } },
    })
  })

  it('with hidden hides only that socket, and does not save the setting', async () => {
    const app = await startApp()
    const ann = await app.signUp('ann')
    const channel = ann.connect().channel('system:general', { token: ann.token, hidden: true })
    const state = listen(channel, 'presence_state')
    await settle(channel.join())
    expect(await state()).toEqual({})
    const second = ann.connect().channel('system:general', { token: ann.token })
    const secondState = listen(second, 'presence_state')
    await settle(second.join())
    expect((await secondState())[ann.id].metas).toHaveLength(1)
  })
})

describe('set_hidden', () => {
  it('hides all sockets of the user, saves the setting, and may be repeated', async () => {
    const app = await startApp()
    const [ann, bob] = [await app.signUp('ann'), await app.signUp('bob')]
    const channel = await ann.join('system:general')
    const secondSocket = ann.connect().channel('system:general', { token: ann.token })
    await settle(secondSocket.join())
    const watching = await bob.join('system:general')
    const diff = listen(watching, 'presence_diff')
    app.clock.advance(100)
    await diff()
    expect(await push(ann, channel, 'set_hidden', { hidden: true })).toEqual({
      status: 'ok',
      response: 'message_sent',
    })
    expect(await push(ann, channel, 'set_hidden', { hidden: true })).toEqual({
      status: 'ok',
      response: 'message_sent',
    })
    app.clock.advance(100)
    expect(await diff()).toMatchObject({ joins: {}, leaves: { [ann.id]: { metas: [{}, {}] } } })
    await push(ann, channel, 'set_hidden', { hidden: false })
    app.clock.advance(100)
    expect(await diff()).toMatchObject({ joins: { [ann.id]: { metas: [{}, {}] } }, leaves: {} })
    await push(ann, channel, 'set_hidden', { hidden: true })
    expect((await app.services.accounts.find(ann.id)).hidden).toBe(true)
    const third = ann.connect().channel('system:general', { token: ann.token })
    const state = listen(third, 'presence_state')
    await settle(third.join())
    expect(Object.keys(await state())).toEqual([bob.id])
  })

  it('has the same effect as PATCH /api/profile', async () => {
    const app = await startApp()
    const ann = await app.signUp('ann')
    const channel = await ann.join('system:general')
    const diff = listen(channel, 'presence_diff')
    app.clock.advance(100)
    await diff()
    await app.request('PATCH', '/api/profile', { token: ann.token, body: { hidden: true } })
    app.clock.advance(100)
    expect(await diff()).toMatchObject({ leaves: { [ann.id]: {} } })
  })
})

describe('set_display_name', () => {
  it('broadcasts the new name', async () => {
    const app = await startApp()
    const [ann, bob] = [await app.signUp('ann'), await app.signUp('bob')]
    const channel = await ann.join('system:general')
    const nextEvent = listen(await bob.join('system:general'), 'update_display_name')
    expect((await push(ann, channel, 'set_display_name', { display_name: '  Annie ' })).response).toBe(
      'message_sent',
    )
    expect(await nextEvent()).toEqual({ user_id: ann.id, display_name: 'Annie' })
    expect((await push(ann, channel, 'set_display_name', { display_name: 'Annie' })).response).toBe(
      'name_unchanged',
    )
  })

  it.each(['ab', 'x'.repeat(21), '   ', 'nul\u0000nul', 'b\u043ess', 'bo\u200bss', 'boss@company', 7, null])(
    'rejects %j',
    async (name) => {
      const app = await startApp()
      const ann = await app.signUp('ann')
      const channel = await ann.join('system:general')
      const { status, response } = await push(ann, channel, 'set_display_name', { display_name: name })
      expect({ status, response }).toMatchObject({
        status: 'error',
        response: { reason: 'invalid_payload', errors: { display_name: [expect.any(String)] } },
      })
    },
  )
})

describe('start_group_conversation', () => {
  it('notifies every member including the creator, then replies with the id', async () => {
    const app = await startApp()
    const [ann, bob, eve] = [await app.signUp('ann'), await app.signUp('bob'), await app.signUp('eve')]
    const channel = await ann.join('system:general')
    const order: string[] = []
    ;(await ann.join(`user:${ann.id}`)).on('new_conversation', () => void order.push('event'))
    const bobHears = listen(await bob.join(`user:${bob.id}`), 'new_conversation')
    const eveHears: unknown[] = []
    ;(await eve.join(`user:${eve.id}`)).on('new_conversation', (event: Json) => void eveHears.push(event))
    const payload = { user_ids: [bob.id, bob.id, ann.id], alias: 'Besties 4eva', ...KEYS }
    const started = await push(ann, channel, 'start_group_conversation', payload)
    order.push('reply')
    expect(started).toEqual({ status: 'ok', response: expect.stringMatching(/^[0-9a-f-]{36}$/) })
    const event = {
      conversation: {
        id: started.response,
        private: false,
        alias: 'Besties 4eva',
        inserted_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
        updated_at: expect.any(String),
      },
      user_ids: expect.arrayContaining([ann.id, bob.id]),
      account_keys: {},
    }
    expect(await bobHears()).toEqual(event)
    expect(order).toEqual(['event', 'reply'])
    expect(eveHears).toEqual([])
  })

  it('rejects unknown users, too many users and invalid payloads', async () => {
    const app = await startApp()
    const ann = await app.signUp('ann')
    const channel = await ann.join('system:general')
    const start = (payload: object) => push(ann, channel, 'start_group_conversation', { ...KEYS, ...payload })
    expect((await start({ user_ids: [randomUUID()] })).response).toBe('users_not_found')
    expect((await start({ user_ids: ['not an id'] })).response).toBe('users_not_found')
    expect((await start({ user_ids: Array.from({ length: 501 }, randomUUID) })).response).toBe(
      'too_many_members',
    )
    for (const [field, payload] of Object.entries({
      user_ids: { user_ids: 'x' },
      alias: { user_ids: [], alias: 'x'.repeat(101) },
      public_key: { user_ids: [], public_key: 'key' },
      private_key: { user_ids: [], private_key: [] },
    })) {
      expect((await start(payload)).response).toMatchObject({
        reason: 'invalid_payload',
        errors: { [field]: [expect.any(String)] },
      })
    }
  })
})

describe('start_private_conversation', () => {
  it('creates one conversation for two users', async () => {
    const app = await startApp()
    const [ann, bob] = [await app.signUp('ann'), await app.signUp('bob')]
    const channel = await ann.join('system:general')
    const nextEvent = listen(await bob.join(`user:${bob.id}`), 'new_conversation')
    const start = (id: unknown) =>
      push(ann, channel, 'start_private_conversation', { other_user_id: id, ...KEYS })
    const { status, response: id } = await start(bob.id)
    expect(status).toBe('ok')
    const event = await nextEvent()
    expect(event.conversation).toMatchObject({ id, private: true, alias: null })
    expect(event.user_ids.sort()).toEqual(members(ann, bob))
    expect((await start(bob.id)).response).toBe('conversation_already_exists')
    expect((await start(ann.id)).response).toBe('incorrect_num_users')
    expect((await start(randomUUID())).response).toBe('users_not_found')
    expect((await start(7)).response).toMatchObject({ reason: 'invalid_payload' })
    const bobs = await bob.join('system:general')
    const again = await push(bob, bobs, 'start_private_conversation', { other_user_id: ann.id, ...KEYS })
    expect(again).toEqual({ status: 'error', response: 'conversation_already_exists' })
    const { body } = await app.request('GET', `/api/conversations/private/${ann.id}`, { token: bob.token })
    expect(body).toEqual({ conversation_id: id })
  })

  it('creates one conversation when both users start it ten times concurrently', async () => {
    const app = await startApp()
    const [ann, bob] = [await app.signUp('ann'), await app.signUp('bob')]
    const pairs = [
      [ann, bob],
      [bob, ann],
    ] as const
    const channels = await Promise.all(pairs.map(([who]) => who.join('system:general')))
    const starts = Array.from({ length: 20 }, (_, i) => {
      const [who, other] = pairs[i % 2] as (typeof pairs)[number]
      return push(who, channels[i % 2] as never, 'start_private_conversation', {
        other_user_id: other.id,
        ...KEYS,
      })
    })
    const settled = await Promise.all(starts)
    expect(settled.filter(({ status }) => status === 'ok')).toHaveLength(1)
    expect(new Set(settled.map(({ status, response }) => (status === 'ok' ? 'ok' : response)))).toEqual(
      new Set(['ok', 'conversation_already_exists']),
    )
  })
})

describe.each([
  ['set_hidden', { hidden: true }],
  ['set_display_name', { display_name: 'Annie' }],
  ['start_group_conversation', { user_ids: [], ...KEYS }],
  ['start_private_conversation', { other_user_id: randomUUID(), ...KEYS }],
])('%s', (event, payload) => {
  it('is rejected without a valid token', async () => {
    const app = await startApp()
    const [ann, bob] = [await app.signUp('ann'), await app.signUp('bob')]
    const channel = await ann.join('system:general')
    for (const token of [undefined, 'wrong', bob.token, 7]) {
      expect(await settle(channel.push(event, { ...payload, token }))).toEqual({
        status: 'error',
        response: 'invalid_token',
      })
    }
  })

  it('is rejected when its payload is empty or not an object', async () => {
    const app = await startApp()
    const ann = await app.signUp('ann')
    const channel = await ann.join('system:general')
    expect((await push(ann, channel, event)).response).toMatchObject({ reason: 'invalid_payload' })
    expect((await settle(channel.push(event, null as never))).response).toBe('invalid_token')
    expect((await settle(channel.push(event, [] as never))).response).toBe('invalid_token')
  })
})
