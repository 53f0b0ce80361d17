import { randomUUID } from 'node:crypto'
import type { Channel } from 'phoenix'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { PASSWORD, type Person, startApp, type TestApp } from '../../support/app.ts'
import { copiesFor, push, startGroup } from '../../support/conversations.ts'
import { eventually } from '../../support/eventually.ts'
import { type Json, listen, type PhoenixVersion, phoenixVersions, settle } from '../../support/phoenix.ts'

async function twoTalking(env: Record<string, string> = {}) {
  const app = await startApp(env)
  const { id, people, channels, userChannels } = await startGroup(app, ['ann', 'bob'])
  const [ann, bob] = people as [Person, Person]
  const [annChannel, bobChannel] = channels as [Channel, Channel]
  const [annUserChannel, bobUserChannel] = userChannels as [Channel, Channel]
  const say = (text: string) => push(ann, annChannel, 'send_message', copiesFor(people, text))
  return { app, id, people, ann, bob, annChannel, bobChannel, annUserChannel, bobUserChannel, say }
}

/** Joins a conversation again on a new connection, with `after_seq`. */
async function resume(person: Person, id: string, after_seq: unknown) {
  const channel = person.connect().channel(`conversation:${id}`, { token: person.token, after_seq })
  return settle(channel.join())
}

/** Collects the message events of a conversation, in the form of `changes`. */
function record(channel: Channel, userChannel: Channel) {
  const received: { event: string; payload: Json }[] = []
  const keep = (channel: Channel, event: string) =>
    channel.on(event, (payload: Json) => void received.push({ event, payload }))
  keep(userChannel, 'new_message')
  keep(userChannel, 'edit_message')
  keep(channel, 'delete_message')
  return received
}

describe.each(['documented', 'legacy'])('joining conversation:<id> with after_seq (%s)', (contract) => {
  it('replies with the missed events, as they were broadcast', async () => {
    const { id, people, ann, bob, annChannel, bobChannel, bobUserChannel, say } = await twoTalking({
      CONTRACT: contract,
    })
    const received = record(bobChannel, bobUserChannel)
    for (const text of ['one', 'two', 'three']) await say(text)
    await eventually(() => expect(received).toHaveLength(3))
    const [one, two] = received.map(({ payload }) => payload.message.message_group)
    received.length = 0
    await say('four')
    await push(ann, annChannel, 'edit_message', { message_group_id: one, ...copiesFor(people, 'uno') })
    await push(ann, annChannel, 'delete_message', { message_group_id: two })
    await eventually(() => expect(received).toHaveLength(3))
    const { status, response } = await resume(bob, id, 3)
    expect(status).toBe('ok')
    expect(response).toMatchObject({
      recovered: true,
      last_seq: 6,
      unread: 3,
      read_seq: 0,
      conversation: { id },
    })
    expect(response.changes).toEqual(received)
    expect(received.map(({ event }) => event)).toEqual(['new_message', 'edit_message', 'delete_message'])
    expect(response).not.toHaveProperty('messages')
    expect((await resume(bob, id, 6)).response).toMatchObject({ recovered: true, last_seq: 6, changes: [] })
  })

  it('replies with the latest page when the missed changes are not available', async () => {
    const { id, bob, say } = await twoTalking({ CONTRACT: contract })
    await say('one')
    const { response } = await resume(bob, id, 2)
    expect(response).toMatchObject({
      recovered: false,
      last_seq: 1,
      messages: { items: [{ content: 'one' }] },
    })
    expect(response).not.toHaveProperty('changes')
  })
})

describe('joining conversation:<id> with after_seq', () => {
  it('rejects an invalid seq', async () => {
    const { id, bob } = await twoTalking()
    for (const after_seq of [-1, 0.5, '3', null, true, 2 ** 60]) {
      const { status, response } = await resume(bob, id, after_seq)
      expect([status, response.reason]).toEqual(['error', 'invalid_payload'])
      expect(response.errors).toHaveProperty('after_seq')
    }
  })

  it('loses no event that is broadcast while the join is processed', async () => {
    const { app, id, people, ann, bob, annChannel, bobUserChannel, say } = await twoTalking()
    const messages = listen(bobUserChannel, 'new_message')
    await say('one')
    await say('two')
    const { message_group: group } = (await messages()).message
    expect((await messages()).message.content).toBe('two')
    const { read, goOn } = holdReading(app)
    const again = bob.connect().channel(`conversation:${id}`, { token: bob.token, after_seq: 1 })
    const deleted = listen(again, 'delete_message')
    const joining = settle(again.join())
    // The changes have been read: later ones are not among them.
    await read
    await say('three')
    await push(ann, annChannel, 'delete_message', { message_group_id: group })
    goOn()
    const { response } = await joining
    expect(response).toMatchObject({ recovered: true, last_seq: 2 })
    expect(response.changes).toMatchObject([{ payload: { message: { content: 'two' } } }])
    expect((await messages()).message).toMatchObject({ content: 'three', seq: 3 })
    expect(await deleted()).toEqual({ message_group_id: group, seq: 4 })
    await push(ann, annChannel, 'send_message', copiesFor(people, 'four'))
    expect((await messages()).message.seq).toBe(5)
  })
})

describe.each(Object.keys(phoenixVersions) as PhoenixVersion[])(
  'phoenix.js %s after a reconnect',
  (version) => {
    it('receives each event once and in order, and stores its unanswered message once', async () => {
      const { app, id, people, ann, bob, annChannel, say } = await twoTalking()
      const socket = bob.connect({ version })
      const userChannel = socket.channel(`user:${bob.id}`, { token: bob.token })
      let known = 0
      const positions: number[] = []
      const take = (position: number) => {
        if (position <= known) return
        positions.push(position)
        known = position
      }
      userChannel.on('new_message', ({ message }: Json) => take(message.seq))
      await settle(userChannel.join())
      const params = () => ({ token: bob.token, after_seq: known })
      // phoenix.js takes a function too; its types do not list it.
      const channel = socket.channel(`conversation:${id}`, params as unknown as object)
      channel.on('delete_message', ({ seq }: Json) => take(seq))
      const replies: Json[] = []
      channel.join().receive('ok', (reply: Json) => {
        replies.push(reply)
        for (const { event, payload } of reply.changes)
          take(event === 'new_message' ? payload.message.seq : payload.seq)
      })
      await eventually(() => expect(replies).toHaveLength(1))
      await say('one')
      await eventually(() => expect(known).toBe(1))
      const named = { token: bob.token, ...copiesFor(people, 'two'), client_message_id: randomUUID() }
      channel.push('send_message', named)
      await eventually(async () => expect((await history(app, ann, id)).items).toHaveLength(2))
      await new Promise<void>((resolve) => socket.disconnect(resolve))
      await say('three')
      const [three] = (await history(app, ann, id)).items
      await push(ann, annChannel, 'delete_message', { message_group_id: three.message_group })
      socket.connect()
      await eventually(() => expect(replies).toHaveLength(2))
      expect(replies[1]).toMatchObject({ recovered: true, last_seq: 4 })
      expect(await settle(channel.push('send_message', named))).toMatchObject({ response: { seq: 2 } })
      await say('five')
      await eventually(() => expect(known).toBe(5))
      expect(positions).toEqual([1, 2, 4, 5])
    })
  },
)

describe('GET /api/messages with after_seq', () => {
  const ask = (app: TestApp, { token }: Person, id: string, after: string) =>
    app.request('GET', `/api/messages?conversation_id=${id}&after_seq=${after}`, { token })

  it('returns the same changes as a join', async () => {
    const { app, id, bob, say } = await twoTalking()
    await say('one')
    await say('two')
    const { response } = await resume(bob, id, 1)
    const { recovered, last_seq, changes } = response
    const { status, body } = await ask(app, bob, id.toUpperCase(), '1')
    expect({ status, body }).toEqual({ status: 200, body: { recovered, last_seq, changes } })
    const whole = await history(app, bob, id)
    expect((await ask(app, bob, id, '3')).body).toEqual({ recovered: false, last_seq: 2, ...whole })
    for (const after of ['-1', '', '1.5', 'x', '9'.repeat(16)]) {
      expect(await ask(app, bob, id, after)).toMatchObject({
        status: 422,
        body: { errors: { after_seq: [expect.any(String)] } },
      })
    }
    const mallory = await app.signUp('mallory')
    expect((await ask(app, mallory, id, '0')).status).toBe(403)
  })

  it('returns the page under the key of the legacy dialect', async () => {
    const { app, id, bob, say } = await twoTalking({ CONTRACT: 'legacy' })
    await say('one')
    expect((await ask(app, bob, id, '7')).body).toMatchObject({
      recovered: false,
      last_seq: 1,
      messages: { items: [{ seq: 1 }], page_token: '' },
    })
  })
})

describe('read_conversation', () => {
  it('broadcasts the read position, which the next join and sign-in return', async () => {
    const { app, id, bob, annChannel, bobChannel, say } = await twoTalking()
    for (const text of ['one', 'two', 'three']) await say(text)
    const nextEvent = listen(annChannel, 'read_conversation')
    for (const payload of [{ seq: 2 }, { seq: 1 }, { seq: 99 }, {}]) {
      expect(await push(bob, bobChannel, 'read_conversation', payload)).toEqual({
        status: 'ok',
        response: 'message_sent',
      })
    }
    // Only those that advance the position are broadcast.
    for (const read_seq of [2, 3]) expect(await nextEvent()).toEqual({ user_id: bob.id, read_seq })
    await say('four')
    const { response } = await resume(bob, id, 4)
    expect(response).toMatchObject({ read_seq: 3, unread: 1, last_seq: 4 })
    expect(response.read_seqs[bob.id]).toBe(3)
    expect(response.read_times[bob.id]).not.toBeNull()
    const login = { email: bob.email, password: PASSWORD }
    const signedIn = await app.request('POST', '/auth/login', { body: login })
    expect(signedIn.body.conversations).toMatchObject([{ id, last_seq: 4, read_seq: 3, unread: 1 }])
  })

  it('rejects an invalid seq', async () => {
    const { bob, bobChannel } = await twoTalking()
    for (const seq of [-1, 0.5, '3', null]) {
      const { response } = await push(bob, bobChannel, 'read_conversation', { seq })
      expect(response).toMatchObject({ reason: 'invalid_payload', errors: { seq: [expect.any(String)] } })
    }
  })
})

async function history(app: TestApp, { token }: Person, id: string): Promise<Json> {
  return (await app.request('GET', `/api/messages?conversation_id=${id}`, { token })).body
}

/** Delays the next read of changes after the database has answered. */
function holdReading({ database }: TestApp) {
  let goOn = () => {}
  const held = new Promise<void>((resolve) => {
    goOn = resolve
  })
  const { rows } = database
  const spy = vi.spyOn(database, 'rows')
  onTestFinished(() => spy.mockRestore())
  const read = new Promise<void>((resolve) => {
    spy.mockImplementation(async (statement, params) => {
      const found = await rows(statement, params)
      if (!statement.includes('edited_seq >')) return found as never[]
      resolve()
      await held
      return found as never[]
    })
  })
  return { read, goOn }
}
