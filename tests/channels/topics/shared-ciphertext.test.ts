import type { Channel } from 'phoenix'
import { describe, expect, it } from 'vitest'
import { type Person, startApp, startNodes } from '../../support/app.ts'
import { copiesFor, push, startGroup } from '../../support/conversations.ts'
import { listen, settle } from '../../support/phoenix.ts'

const CIPHERTEXT = 'eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0..aXY.Y2lwaGVydGV4dA.dGFn'

async function twoInAGroup(contract: 'documented' | 'legacy' = 'documented') {
  const app = await startApp({ CONTRACT: contract })
  const { id, people, channels, userChannels } = await startGroup(app, ['ann', 'bob'])
  const [ann, bob] = people as [Person, Person]
  const annChannel = channels[0] as Channel
  const sent = listen(userChannels[1] as Channel, 'new_message')
  const edited = listen(userChannels[1] as Channel, 'edit_message')
  const send = (payload: object) =>
    push(ann, annChannel, 'send_message', { ...copiesFor(people, 'key'), ...payload })
  const edit = (message_group_id: string, payload: object) =>
    push(ann, annChannel, 'edit_message', { message_group_id, ...copiesFor(people, 'new key'), ...payload })
  const rejoin = async (person: Person, payload: object = {}) => {
    const topic = person.connect().channel(`conversation:${id}`, { token: person.token, ...payload })
    return (await settle(topic.join())).response
  }
  return { app, id, people, ann, bob, annChannel, sent, edited, send, edit, rejoin }
}

describe.each(['documented', 'legacy'] as const)('a shared ciphertext (%s)', (contract) => {
  it('reaches members in events, replies to joins, history and missed changes', async () => {
    const { app, id, bob, sent, send, rejoin } = await twoInAGroup(contract)
    await send({ shared: CIPHERTEXT })
    const { message } = await sent()
    expect(message).toMatchObject({ content: 'key', shared: CIPHERTEXT })
    expect((await rejoin(bob)).messages.items).toEqual([message])
    expect((await rejoin(bob, { after_seq: 0 })).changes).toEqual([
      { event: 'new_message', payload: { conversation_id: id, message } },
    ])
    const { body } = await app.request('GET', `/api/messages?conversation_id=${id}`, { token: bob.token })
    expect((body.messages ?? body).items).toEqual([message])
  })
})

describe('a shared ciphertext', () => {
  it('is absent from messages without one, also in a batch with others', async () => {
    const { bob, sent, send, rejoin } = await twoInAGroup()
    await Promise.all([
      send({}),
      send({ shared: CIPHERTEXT }),
      send({ client_message_id: crypto.randomUUID() }),
      send({ shared: '"\\{},', client_message_id: crypto.randomUUID() }),
    ])
    const received = [await sent(), await sent(), await sent(), await sent()].map(({ message }) => message)
    expect(received.map((message) => message.shared)).toEqual([undefined, CIPHERTEXT, undefined, '"\\{},'])
    expect(received.map((message) => 'shared' in message)).toEqual([false, true, false, true])
    expect((await rejoin(bob)).messages.items.reverse()).toEqual(received)
  })

  it('is replaced or removed by an edit', async () => {
    const { bob, sent, edited, send, edit, rejoin } = await twoInAGroup()
    await send({ shared: CIPHERTEXT })
    const { message_group: group } = (await sent()).message
    await edit(group, { shared: 'second' })
    expect((await edited()).message).toMatchObject({ content: 'new key', shared: 'second' })
    expect((await rejoin(bob)).messages.items[0].shared).toBe('second')
    await edit(group, {})
    expect((await edited()).message).not.toHaveProperty('shared')
    expect((await rejoin(bob)).messages.items[0]).not.toHaveProperty('shared')
  })

  it('is deleted with its message', async () => {
    const { app, ann, annChannel, sent, send } = await twoInAGroup()
    await send({ shared: CIPHERTEXT })
    const { message_group } = (await sent()).message
    await push(ann, annChannel, 'delete_message', { message_group_id: message_group })
    expect(await app.database.rows('select shared, copies from message_groups', [])).toEqual([
      { shared: null, copies: null },
    ])
  })

  it.each([
    ['more than 64 KiB', 'x'.repeat(65_537), 'must have at most 65536 bytes'],
    ['more than 64 KiB of UTF-8', 'ü'.repeat(32_769), 'must have at most 65536 bytes'],
    ['a NUL', 'a\0', 'has characters that cannot be stored'],
    ['half a surrogate pair', '\ud83d', 'has characters that cannot be stored'],
    ['an object', {}, 'must be text'],
  ])('is rejected with %s', async (_what, shared, error) => {
    const { send, edit, rejoin, ann } = await twoInAGroup()
    const refusal = { reason: 'invalid_payload', errors: { shared: [error] } }
    expect(await send({ shared })).toEqual({ status: 'error', response: refusal })
    expect(await edit(crypto.randomUUID(), { shared })).toEqual({ status: 'error', response: refusal })
    expect((await rejoin(ann)).last_seq).toBe(0)
  })

  it('of 64 KiB fits', async () => {
    const { send, sent } = await twoInAGroup()
    const shared = 'x'.repeat(65_536)
    expect((await send({ shared })).status).toBe('ok')
    expect((await sent()).message.shared).toBe(shared)
  })
})

it('reaches members at other nodes, also after the nodes could not reach each other', async () => {
  const [first, second] = await startNodes(2)
  const { id, people } = await startGroup(first!, ['ann', 'bob'])
  const [ann, bob] = people as [Person, Person]
  const there = bob.connect({ at: second! }).channel(`user:${bob.id}`, { token: bob.token })
  const received = listen(there, 'new_message')
  await settle(there.join())
  const here = await ann.join(`conversation:${id}`)
  const send = (shared: string) => push(ann, here, 'send_message', { ...copiesFor(people, 'key'), shared })
  await send('first')
  expect((await received()).message.shared).toBe('first')
  first!.backplane.isConnected = false
  await send('second')
  first!.backplane.restore()
  await send('third')
  expect((await received()).message.shared).toBe('second')
  expect((await received()).message.shared).toBe('third')
})

describe('the reply to an edit or deletion', () => {
  it('has the seq of the change with return_seq', async () => {
    const { ann, annChannel, sent, send, edit } = await twoInAGroup()
    await send({})
    const { message_group } = (await sent()).message
    const reply = (seq: number) => ({ status: 'ok', response: { message_group, seq } })
    expect(await edit(message_group.toUpperCase(), { return_seq: true })).toEqual(reply(2))
    expect(await edit(message_group, { return_seq: false })).toEqual({
      status: 'ok',
      response: 'message_sent',
    })
    const deletion = { message_group_id: message_group, return_seq: true }
    expect(await push(ann, annChannel, 'delete_message', deletion)).toEqual(reply(4))
  })
})
