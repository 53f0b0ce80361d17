import { randomUUID } from 'node:crypto'
import type { Channel } from 'phoenix'
import { describe, expect, it } from 'vitest'
import { Vault } from '../../../src/domain/vault/vault.ts'
import { type Person, startApp, VAULT_KEY } from '../../support/app.ts'
import { copiesFor, KEYS, push, startGroup, startPrivate } from '../../support/conversations.ts'
import { type Json, listen, settle } from '../../support/phoenix.ts'

const sent = { status: 'ok', response: 'message_sent' }
const isoTime = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
const uuid = expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$/)

async function threeInAGroup() {
  const app = await startApp()
  const { id, people, channels, userChannels } = await startGroup(app, ['ann', 'bob', 'eve'], 'Besties 4eva')
  const [ann, bob, eve] = people as [Person, Person, Person]
  const [annChannel, bobChannel, eveChannel] = channels as [Channel, Channel, Channel]
  const [annUserChannel, bobUserChannel, eveUserChannel] = userChannels as [Channel, Channel, Channel]
  return {
    app,
    id,
    people,
    ann,
    bob,
    eve,
    annChannel,
    bobChannel,
    eveChannel,
    annUserChannel,
    bobUserChannel,
    eveUserChannel,
  }
}

describe('joining conversation:<id>', () => {
  it('replies with the conversation, its users, messages, keys and read positions', async () => {
    const app = await startApp()
    const { id, people, channels } = await startGroup(app, ['ann', 'bob'], 'Besties 4eva')
    const [ann, bob] = people as [Person, Person]
    await push(ann, channels[0] as Channel, 'send_message', copiesFor(people, 'hello'))
    await push(bob, channels[1] as Channel, 'read_conversation')
    const { response } = await settle(
      ann.connect().channel(`conversation:${id}`, { token: ann.token }).join(),
    )
    expect(response).toEqual({
      conversation: { id, private: false, alias: 'Besties 4eva', inserted_at: isoTime, updated_at: isoTime },
      users: expect.arrayContaining(
        people.map((person) => ({
          id: person.id,
          email: person.email,
          display_name: person.email,
          confirmed: false,
        })),
      ),
      messages: {
        items: [
          {
            id: uuid,
            sender: ann.id,
            content: 'hello',
            inserted_at: isoTime,
            updated_at: isoTime,
            message_group: uuid,
            seq: 1,
          },
        ],
        page_token: null,
      },
      last_seq: 1,
      unread: 0,
      read_seq: 0,
      read_seqs: { [ann.id]: 0, [bob.id]: 1 },
      read_times: { [ann.id]: null, [bob.id]: isoTime },
      public_keys: { [ann.id]: KEYS.public_key },
      account_keys: {},
      private_key: KEYS.private_key,
    })
    expect(Object.keys(response.public_keys[ann.id])).toEqual(Object.keys(KEYS.public_key))
    const bobs = await settle(bob.connect().channel(`conversation:${id}`, { token: bob.token }).join())
    expect(bobs.response.private_key).toBeNull()
  })

  it('is rejected permanently for non-members and unknown or malformed ids', async () => {
    const { app, id } = await threeInAGroup()
    const mallory = await app.signUp('mallory')
    const socket = mallory.connect()
    for (const topic of [id, randomUUID(), id.toUpperCase(), 'undefined', '', `${id}\u0000`]) {
      const channel = socket.channel(`conversation:${topic}`, { token: mallory.token })
      const closed = new Promise<void>((resolve) => channel.onClose(() => resolve()))
      expect(await settle(channel.join())).toEqual({ status: 'error', response: 'no_conversation' })
      await closed
    }
  })

  it('is rejected with an invalid token, and may be retried', async () => {
    const { ann, id } = await threeInAGroup()
    for (const payload of [{}, { token: 'wrong' }]) {
      const join = await settle(ann.connect().channel(`conversation:${id}`, payload).join())
      expect(join).toEqual({ status: 'error', response: 'unauthorized' })
    }
  })
})

describe('send_message with a client_message_id', () => {
  it('gets the same reply each time, and is broadcast once', async () => {
    const { app, ann, annChannel, bobUserChannel, people, id } = await threeInAGroup()
    const nextEvent = listen(bobUserChannel, 'new_message')
    const named = { ...copiesFor(people, 'hello'), client_message_id: randomUUID() }
    const first = await push(ann, annChannel, 'send_message', named)
    const { message } = await nextEvent()
    expect(first).toEqual({
      status: 'ok',
      response: { message_group: message.message_group, seq: 1, inserted_at: message.inserted_at },
    })
    expect(await push(ann, annChannel, 'send_message', named)).toEqual(first)
    const elsewhere = ann.connect().channel(`conversation:${id}`, { token: ann.token })
    await settle(elsewhere.join())
    await app.services.conversations.leave(id, people[2]?.id ?? '')
    expect(await push(ann, elsewhere, 'send_message', named)).toEqual(first)
    expect(await push(ann, annChannel, 'send_message', copiesFor(people.slice(0, 2), 'next'))).toEqual(sent)
    expect((await nextEvent()).message).toMatchObject({ content: 'next', seq: 3 })
  })

  it('is rejected when the id is not a UUID', async () => {
    const { ann, annChannel, people } = await threeInAGroup()
    for (const client_message_id of ['', 'x', 7, null]) {
      const { response } = await push(ann, annChannel, 'send_message', {
        ...copiesFor(people, 'hello'),
        client_message_id,
      })
      expect(response).toMatchObject({
        reason: 'invalid_payload',
        errors: { client_message_id: [expect.any(String)] },
      })
    }
  })

  it('replies with the time format of the legacy dialect', async () => {
    const app = await startApp({ CONTRACT: 'legacy' })
    const { people, channels } = await startGroup(app, ['ann', 'bob'])
    const [ann] = people as [Person]
    const named = { ...copiesFor(people, 'hello'), client_message_id: randomUUID() }
    const { response } = await push(ann, channels[0] as Channel, 'send_message', named)
    expect(response.inserted_at).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}Z$/)
  })
})

describe('send_message', () => {
  it('delivers each member their own copy, in send order, before the reply', async () => {
    const { ann, annChannel, annUserChannel, bobUserChannel, people, id } = await threeInAGroup()
    const order: string[] = []
    annUserChannel.on('new_message', () => void order.push('event'))
    const nextEvent = listen(bobUserChannel, 'new_message')
    const encrypted_messages = Object.fromEntries(people.map((person) => [person.id, `for ${person.email}`]))
    expect(await push(ann, annChannel, 'send_message', { encrypted_messages })).toEqual(sent)
    order.push('reply')
    expect(order).toEqual(['event', 'reply'])
    const first = await nextEvent()
    expect(first).toEqual({
      conversation_id: id,
      message: {
        id: uuid,
        sender: ann.id,
        content: 'for bob@example.com',
        inserted_at: isoTime,
        updated_at: isoTime,
        message_group: uuid,
        seq: 1,
      },
    })
    const burst = Array.from({ length: 50 }, (_, i) =>
      push(ann, annChannel, 'send_message', copiesFor(people, `n${i}`)),
    )
    expect(new Set((await Promise.all(burst)).map(({ status }) => status))).toEqual(new Set(['ok']))
    for (let i = 0; i < 50; i++)
      expect((await nextEvent()).message).toMatchObject({ content: `n${i}`, seq: i + 2 })
  })

  it('rejects recipients that are not exactly the members', async () => {
    const { app, ann, bob, annChannel, people } = await threeInAGroup()
    const mallory = await app.signUp('mallory')
    const send = async (recipients: { id: string }[]) =>
      (await push(ann, annChannel, 'send_message', copiesFor(recipients, 'x'))).response
    expect(await send([ann, bob])).toBe('not_enough_recipients')
    expect(await send([])).toBe('not_enough_recipients')
    expect(await send([...people, mallory])).toBe('too_many_recipients')
    expect(await send([ann, bob, mallory])).toBe('not_enough_recipients')
    expect(await send([...people, { id: randomUUID() }])).toBe('too_many_recipients')
  })

  it('rejects invalid payloads', async () => {
    const { ann, bob, eve, annChannel } = await threeInAGroup()
    const others = { [bob.id]: 'x', [eve.id]: 'x' }
    for (const encrypted_messages of [
      undefined,
      null,
      'text',
      [],
      { [ann.id]: 7, ...others },
      { [ann.id]: 'nul \u0000', ...others },
      { [ann.id]: 'half \ud800', ...others },
      { [ann.id]: 'x'.repeat(65_537), ...others },
      { 'not an id': 'x', ...others },
      { [ann.id]: 'x', [ann.id.toUpperCase()]: 'y', ...others },
    ]) {
      const { status, response } = await push(ann, annChannel, 'send_message', { encrypted_messages })
      expect({ status, response }).toMatchObject({
        status: 'error',
        response: { reason: 'invalid_payload', errors: { encrypted_messages: [expect.any(String)] } },
      })
    }
  })
})

describe('edit_message and delete_message', () => {
  it('change a message for every member, each with a seq of its own', async () => {
    const { ann, annChannel, bobChannel, bobUserChannel, people, id, app } = await threeInAGroup()
    const [nextEvent, edited, deleted] = [
      listen(bobUserChannel, 'new_message'),
      listen(bobUserChannel, 'edit_message'),
      listen(bobChannel, 'delete_message'),
    ]
    await push(ann, annChannel, 'send_message', copiesFor(people, 'first'))
    const { message } = await nextEvent()
    const group = { message_group_id: message.message_group }
    expect(await push(ann, annChannel, 'edit_message', { ...group, ...copiesFor(people, 'better') })).toEqual(
      sent,
    )
    expect(await edited()).toEqual({
      conversation_id: id,
      message: { ...message, content: 'better', updated_at: isoTime },
      seq: 2,
    })
    expect(await push(ann, annChannel, 'delete_message', group)).toEqual(sent)
    expect(await deleted()).toEqual({ ...group, seq: 3 })
    expect((await push(ann, annChannel, 'delete_message', group)).response).toBe('no_message')
    expect(
      (await push(ann, annChannel, 'edit_message', { ...group, ...copiesFor(people, 'x') })).response,
    ).toBe('no_message')
    const { body } = await app.request('GET', `/api/messages?conversation_id=${id}`, { token: ann.token })
    expect(body).toEqual({ items: [], page_token: null })
  })

  it('are rejected for other senders and for messages of other conversations', async () => {
    const { ann, bob, annChannel, bobChannel, bobUserChannel, people } = await threeInAGroup()
    const nextEvent = listen(bobUserChannel, 'new_message')
    await push(ann, annChannel, 'send_message', copiesFor(people, 'mine'))
    const group = { message_group_id: (await nextEvent()).message.message_group }
    expect(
      (await push(bob, bobChannel, 'edit_message', { ...group, ...copiesFor(people, 'x') })).response,
    ).toBe('not_sender')
    expect((await push(bob, bobChannel, 'delete_message', group)).response).toBe('not_sender')
    for (const message_group_id of [randomUUID(), 'not an id', '']) {
      expect((await push(ann, annChannel, 'delete_message', { message_group_id })).response).toBe(
        'no_message',
      )
      const edit = { message_group_id, ...copiesFor(people, 'x') }
      expect((await push(ann, annChannel, 'edit_message', edit)).response).toBe('no_message')
    }
    expect(
      (await push(ann, annChannel, 'edit_message', { ...group, ...copiesFor([ann], 'x') })).response,
    ).toBe('not_enough_recipients')
    expect((await push(ann, annChannel, 'delete_message', { message_group_id: 7 })).response).toMatchObject({
      reason: 'invalid_payload',
    })
  })
})

describe('leave_conversation', () => {
  it('notifies the others, closes the channel on all sockets of the leaver, and stops their events', async () => {
    const { app, ann, bob, eve, annChannel, eveChannel, bobUserChannel, id } = await threeInAGroup()
    const second = bob.connect().channel(`conversation:${id}`, { token: bob.token })
    await settle(second.join())
    const closed = new Promise<void>((resolve) => second.onClose(() => resolve()))
    const bobChannel = bob.connect().channel(`conversation:${id}`, { token: bob.token })
    await settle(bobChannel.join())
    const left = listen(annChannel, 'leave_conversation')
    expect(await push(bob, bobChannel, 'leave_conversation')).toEqual(sent)
    expect(await left()).toEqual({ user_id: bob.id })
    await closed
    const received: Json[] = []
    bobUserChannel.on('new_message', (event: Json) => void received.push(event))
    const eves = listen(await eve.join(`user:${eve.id}`), 'new_message')
    expect((await push(ann, annChannel, 'send_message', copiesFor([ann, bob, eve], 'x'))).response).toBe(
      'too_many_recipients',
    )
    expect(await push(ann, annChannel, 'send_message', copiesFor([ann, eve], 'x'))).toEqual(sent)
    expect((await eves()).message.seq).toBe(2)
    expect(received).toEqual([])
    expect(
      (await app.request('GET', `/api/messages?conversation_id=${id}`, { token: bob.token })).status,
    ).toBe(403)
    const again = bob.connect().channel(`conversation:${id}`, { token: bob.token })
    expect((await settle(again.join())).response).toBe('no_conversation')
    expect(eveChannel.state).toBe('joined')
  })

  it('deletes the conversation when the last member leaves', async () => {
    const app = await startApp()
    const { id, people, channels } = await startGroup(app, ['ann'])
    const [ann] = people as [Person]
    expect(await push(ann, channels[0] as Channel, 'leave_conversation')).toEqual(sent)
    const rows = await app.database.rows('select 1 from conversations where id = $1', [id])
    expect(rows).toEqual([])
  })

  it('is rejected in a private conversation', async () => {
    const app = await startApp()
    const { people, channels } = await startPrivate(app, ['ann', 'bob'])
    expect((await push(people[0], channels[0] as Channel, 'leave_conversation')).response).toBe(
      'private_conversation',
    )
  })
})

describe('change_alias', () => {
  it('is broadcast; an empty alias and null clear it', async () => {
    const { ann, annChannel, bobChannel, id } = await threeInAGroup()
    const nextEvent = listen(bobChannel, 'update_alias')
    for (const [alias, kept] of [
      ['New name', 'New name'],
      ['', null],
      ['Again', 'Again'],
      [null, null],
    ]) {
      expect(await push(ann, annChannel, 'change_alias', { alias })).toEqual(sent)
      expect(await nextEvent()).toEqual({
        conversation: { id, private: false, alias: kept, inserted_at: isoTime, updated_at: isoTime },
      })
    }
    for (const alias of ['x'.repeat(101), 7, undefined, 'nul\u0000']) {
      expect((await push(ann, annChannel, 'change_alias', { alias })).response).toMatchObject({
        reason: 'invalid_payload',
      })
    }
  })

  it('has times in the legacy format in the legacy dialect', async () => {
    const app = await startApp({ CONTRACT: 'legacy' })
    const { id, people, channels } = await startGroup(app, ['ann', 'bob'])
    const [ann] = people as [Person]
    const [annChannel, bobChannel] = channels as [Channel, Channel]
    const received = listen(bobChannel, 'update_alias')
    await push(ann, annChannel, 'change_alias', { alias: 'Friends' })
    const time = expect.stringMatching(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}Z$/)
    expect(await received()).toEqual({
      conversation: { id, private: false, alias: 'Friends', inserted_at: time, updated_at: time },
    })
  })

  it('is rejected in a private conversation', async () => {
    const app = await startApp()
    const { people, channels } = await startPrivate(app, ['ann', 'bob'])
    const refused = await push(people[0], channels[0] as Channel, 'change_alias', { alias: 'x' })
    expect(refused.response).toBe('private_conversation')
  })
})

describe('an event without effect', () => {
  it.each([
    ['modify_conversation', { new_members: [] }],
    ['modify_conversation', { new_members: ['bob'], alias: 'Besties 4eva' }],
    ['change_alias', { alias: 'Besties 4eva' }],
    ['read_conversation', {}],
    ['read_conversation', { seq: 0 }],
  ])('gets a reply and is not broadcast: %s %j', async (event, payload) => {
    const { ann, bob, annChannel, bobChannel, bobUserChannel } = await threeInAGroup()
    const read = listen(bobChannel, 'read_conversation')
    await push(ann, annChannel, 'read_conversation')
    await read()
    const received: string[] = []
    const note = (name: string) => void received.push(name)
    bobUserChannel.on('new_conversation', () => note('new_conversation'))
    for (const name of ['update_alias', 'read_conversation', 'finish_typing'])
      bobChannel.on(name, () => note(name))
    const members = 'new_members' in payload && { new_members: payload.new_members.map(() => bob.id) }
    for (let n = 0; n < 20; n++) {
      expect(await push(ann, annChannel, event, { ...payload, ...members })).toEqual(sent)
    }
    const last = listen(bobChannel, 'finish_typing')
    await push(ann, annChannel, 'finish_typing')
    await last()
    expect(received).toEqual(['finish_typing'])
  })
})

describe('modify_conversation', () => {
  it('adds members, sets the alias, and notifies all members including the new ones', async () => {
    const { app, ann, annChannel, bobUserChannel, people, id } = await threeInAGroup()
    const dan = await app.signUp('dan')
    const [old, fresh] = [
      listen(bobUserChannel, 'new_conversation'),
      listen(await dan.join(`user:${dan.id}`), 'new_conversation'),
    ]
    expect(
      await push(ann, annChannel, 'modify_conversation', { new_members: [dan.id, ann.id, dan.id] }),
    ).toEqual(sent)
    const event = await fresh()
    expect(event.conversation).toMatchObject({ id, alias: 'Besties 4eva', private: false })
    expect(event.user_ids.sort()).toEqual([...people, dan].map((person) => person.id).sort())
    expect(await old()).toEqual(event)
    await dan.join(`conversation:${id}`)
    await push(ann, annChannel, 'modify_conversation', { new_members: [], alias: 'More of us' })
    expect((await fresh()).conversation.alias).toBe('More of us')
    await push(ann, annChannel, 'modify_conversation', { new_members: [], alias: null })
    expect((await fresh()).conversation.alias).toBeNull()
  })

  it('rejects unknown users, too many users, private conversations and invalid payloads', async () => {
    const { app, ann, annChannel } = await threeInAGroup()
    const modify = async (payload: object) =>
      (await push(ann, annChannel, 'modify_conversation', payload)).response
    expect(await modify({ new_members: [randomUUID()] })).toBe('users_not_found')
    expect(await modify({ new_members: Array.from({ length: 500 }, randomUUID) })).toMatch(
      /too_many_members|users_not_found/,
    )
    expect(await modify({})).toMatchObject({
      reason: 'invalid_payload',
      errors: { new_members: ['is required'] },
    })
    expect(await modify({ new_members: [7] })).toMatchObject({ reason: 'invalid_payload' })
    const other = await startPrivate(app, ['kim', 'lee'])
    const refused = await push(other.people[0], other.channels[0] as Channel, 'modify_conversation', {
      new_members: [ann.id],
    })
    expect(refused.response).toBe('private_conversation')
  })
})

describe('typing', () => {
  it('broadcasts every start_typing, and finish_typing after a minute', async () => {
    const { app, ann, bob, annChannel, bobChannel } = await threeInAGroup()
    const [started, finished] = [listen(bobChannel, 'start_typing'), listen(bobChannel, 'finish_typing')]
    expect(await push(ann, annChannel, 'start_typing')).toEqual(sent)
    expect(await started()).toEqual({ user_id: ann.id })
    app.clock.advance(40_000)
    expect(await push(ann, annChannel, 'start_typing')).toEqual(sent)
    expect(await started()).toEqual({ user_id: ann.id })
    // The server closes a socket without heartbeats after 75 s.
    await push(bob, bobChannel, 'read_conversation')
    expect(await push(ann, annChannel, 'finish_typing')).toEqual(sent)
    expect(await finished()).toEqual({ user_id: ann.id })
    await push(ann, annChannel, 'start_typing')
    await started()
    app.clock.advance(61_000)
    expect(await finished()).toEqual({ user_id: ann.id })
  })

  it("ends when the user's last socket leaves the topic", async () => {
    const { ann, bobChannel, id, annChannel } = await threeInAGroup()
    const [started, finished] = [listen(bobChannel, 'start_typing'), listen(bobChannel, 'finish_typing')]
    const tab = ann.connect()
    const second = tab.channel(`conversation:${id}`, { token: ann.token })
    await settle(second.join())
    await push(ann, second, 'start_typing')
    await started()
    await settle(second.leave())
    await push(ann, annChannel, 'start_typing')
    await started()
    await settle(annChannel.leave())
    expect(await finished()).toEqual({ user_id: ann.id })
  })
})

describe('read_conversation', () => {
  it('is broadcast and stored', async () => {
    const { ann, bob, annChannel, bobChannel, id } = await threeInAGroup()
    const nextEvent = listen(bobChannel, 'read_conversation')
    expect(await push(ann, annChannel, 'read_conversation')).toEqual(sent)
    expect(await nextEvent()).toEqual({ user_id: ann.id, read_seq: 0 })
    const { response } = await settle(
      bob.connect().channel(`conversation:${id}`, { token: bob.token }).join(),
    )
    expect(response.read_times).toMatchObject({ [ann.id]: isoTime, [bob.id]: null })
  })
})

describe('set_encryption_keys', () => {
  it('stores the keys once, and broadcasts the public key unchanged', async () => {
    const { ann, bob, annChannel, bobChannel, id } = await threeInAGroup()
    const nextEvent = listen(annChannel, 'set_encryption_keys')
    expect(await push(bob, bobChannel, 'set_encryption_keys', KEYS)).toEqual(sent)
    expect(await nextEvent()).toEqual({ user_id: bob.id, public_key: KEYS.public_key })
    expect((await push(bob, bobChannel, 'set_encryption_keys', KEYS)).response).toBe('keys_already_set')
    expect((await push(ann, annChannel, 'set_encryption_keys', KEYS)).response).toBe('keys_already_set')
    const { response } = await settle(
      bob.connect().channel(`conversation:${id}`, { token: bob.token }).join(),
    )
    expect(response).toMatchObject({
      private_key: KEYS.private_key,
      public_keys: { [ann.id]: KEYS.public_key, [bob.id]: KEYS.public_key },
    })
  })

  it.each([
    {},
    { public_key: {} },
    { public_key: 'x', private_key: {} },
    { public_key: {}, private_key: ['x'] },
  ])('rejects %j', async (payload) => {
    const { bob, bobChannel } = await threeInAGroup()
    expect((await push(bob, bobChannel, 'set_encryption_keys', payload)).response).toMatchObject({
      reason: 'invalid_payload',
    })
  })
})

describe('a key that is nested deeply', () => {
  const nested = (levels: number): Json => (levels === 0 ? 'x' : { k: nested(levels - 1) })

  it('is rejected by every event that takes a key', async () => {
    const { ann, bob, bobChannel } = await threeInAGroup()
    const system = await ann.join('system:general')
    const keys = { public_key: nested(9), private_key: {} }
    const start = { user_ids: [bob.id], ...keys }
    const answers = [
      await push(bob, bobChannel, 'set_encryption_keys', keys),
      await push(ann, system, 'start_group_conversation', start),
      await push(ann, system, 'start_private_conversation', { other_user_id: bob.id, ...keys }),
    ]
    const refused = { reason: 'invalid_payload', errors: { public_key: ['is nested too deeply'] } }
    expect(answers.map(({ response }) => response)).toEqual([refused, refused, refused])
    const deepest = { public_key: nested(8), private_key: nested(8) }
    expect(await push(bob, bobChannel, 'set_encryption_keys', deepest)).toEqual(sent)
  })

  it('does not prevent joins when it is already stored, and is logged once', async () => {
    const { app, ann, bob, id } = await threeInAGroup()
    const vault = new Vault([VAULT_KEY])
    const deep = `${'{"a":'.repeat(20_000)}0${'}'.repeat(20_000)}`
    const seal = (kind: string) => vault.seal(deep, ['encryption key', id, bob.id, kind])
    await app.database.rows(
      `insert into encryption_keys (conversation_id, user_id, vault_key, public_key, private_key)
      values ($1, $2, $3, $4, $5)`,
      [id, bob.id, vault.fingerprint, seal('public').bytes, seal('private').bytes],
    )
    for (const { connect, token } of [ann, bob, ann]) {
      const join = await settle(connect().channel(`conversation:${id}`, { token }).join())
      expect(join).toMatchObject({ status: 'ok', response: { public_keys: { [ann.id]: KEYS.public_key } } })
      expect(Object.keys(join.response.public_keys)).toEqual([ann.id])
    }
    const reports = app.logs.map((line) => JSON.parse(line)).filter(({ level }) => level >= 50)
    expect(reports).toMatchObject([
      { userId: bob.id, kind: 'public', cause: 'nested too deeply' },
      { userId: bob.id, kind: 'private' },
    ])
  })
})

describe.each([
  ['change_alias', { alias: 'x' }],
  ['leave_conversation', {}],
  ['send_message', { encrypted_messages: {} }],
  ['edit_message', { message_group_id: randomUUID(), encrypted_messages: {} }],
  ['delete_message', { message_group_id: randomUUID() }],
  ['start_typing', {}],
  ['finish_typing', {}],
  ['read_conversation', {}],
  ['modify_conversation', { new_members: [] }],
  ['set_encryption_keys', KEYS],
])('%s', (event, payload) => {
  it('is rejected without a valid token, and for users who are not members', async () => {
    const { app, ann, bob, annChannel, id } = await threeInAGroup()
    for (const token of [undefined, 'wrong', bob.token]) {
      const refused = await settle(annChannel.push(event, { ...payload, token }))
      expect(refused).toEqual({ status: 'error', response: 'invalid_token' })
    }
    expect((await settle(annChannel.push(event, 'text' as never))).response).toBe('invalid_token')
    expect(annChannel.state).toBe('joined')
    const mallory = await app.signUp('mallory')
    const outside = mallory.connect().channel(`conversation:${id}`, { token: mallory.token })
    expect((await settle(outside.join())).response).toBe('no_conversation')
    expect((await push(ann, annChannel, 'start_typing')).status).toBe('ok')
  })
})

describe('the legacy dialect', () => {
  it('formats times with a space and microseconds, the last page token as an empty string, and keys with all fields', async () => {
    const app = await startApp({ CONTRACT: 'legacy' })
    const { id, people, channels } = await startGroup(app, ['ann', 'bob'])
    const [ann, bob] = people as [Person, Person]
    await push(ann, channels[0] as Channel, 'send_message', copiesFor(people, 'hello'))
    await push(ann, channels[0] as Channel, 'read_conversation')
    const { response } = await settle(
      ann.connect().channel(`conversation:${id}`, { token: ann.token }).join(),
    )
    const legacyTime = expect.stringMatching(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}Z$/)
    expect(response.conversation).toMatchObject({ inserted_at: legacyTime, updated_at: legacyTime })
    expect(response.read_times).toEqual({ [ann.id]: legacyTime, [bob.id]: null })
    expect(response.messages).toMatchObject({
      page_token: '',
      items: [{ inserted_at: legacyTime, updated_at: legacyTime }],
    })
    const absent = Object.fromEntries('d dp dq p q qi'.split(' ').map((field) => [field, null]))
    expect(response.public_keys[ann.id]).toEqual({
      ...absent,
      ...KEYS.public_key,
      type: 'public',
      user_id: ann.id,
    })
    expect(response.private_key).toEqual({ ...absent, ...KEYS.private_key, type: 'private', user_id: ann.id })
  })
})
