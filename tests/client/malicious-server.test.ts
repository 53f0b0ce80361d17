import { expect, it } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { signInKeyed } from './support/clients.ts'
import {
  alter,
  collectNotices,
  type Delivery,
  startTalk,
  tamperJoins,
  tamperMessages,
  textsOf,
} from './support/malicious-server.ts'

it('shows nothing when the server repeats the event of a message', async () => {
  const { proxy, hers, his, notices } = await startTalk()
  tamperMessages(proxy, (delivery) => [delivery, delivery])
  await hers.send('third')
  await hers.send('fourth')
  await eventually(() => expect(his.messages).toHaveLength(4))
  expect(textsOf(his.messages)).toEqual(['first', 'second', 'third', 'fourth'])
  expect(his.messages.flatMap(({ problems }) => problems)).toEqual([])
  expect(notices).toEqual([])
})

it('does not show a message again that the server delivers as a new one', async () => {
  const { proxy, hers, his, notices } = await startTalk()
  tamperMessages(proxy, (delivery) => [
    delivery,
    {
      ...delivery,
      message: {
        ...delivery.message,
        message_group: crypto.randomUUID(),
        client_message_id: crypto.randomUUID(),
        seq: delivery.message.seq + 1,
      },
    },
  ])
  await hers.send('Pay 100')
  await eventually(() => expect(notices).toEqual(['wrong_group']))
  expect(his.messages.slice(2)).toMatchObject([
    { body: { text: 'Pay 100' }, verified: 'signed', problems: [] },
    { type: 'unreadable', body: {}, verified: 'invalid', problems: [{ code: 'wrong_group' }] },
  ])
})

it('notices that two messages were reordered', async () => {
  const { proxy, hers, his, notices } = await startTalk()
  const held: Delivery[] = []
  tamperMessages(proxy, (delivery) => {
    held.push(delivery)
    const [one, two] = held
    if (!one || !two) return []
    const [seq, next] = [one.message.seq, two.message.seq]
    return [
      { ...two, message: { ...two.message, seq } },
      { ...one, message: { ...one.message, seq: next } },
    ]
  })
  await hers.send('No.')
  await hers.send('Really?')
  await eventually(() => expect(notices).toEqual(['missing', 'reordered']))
  expect(his.messages.slice(2)).toMatchObject([
    { body: { text: 'Really?' }, problems: [{ code: 'missing' }] },
    { body: { text: 'No.' }, problems: [{ code: 'reordered' }] },
  ])
})

it('notices that a message was withheld', async () => {
  const { proxy, hers, his, notices } = await startTalk()
  let first: number | undefined
  tamperMessages(proxy, (delivery) => {
    first ??= delivery.message.seq
    const seq = delivery.message.seq - 1
    return seq < first ? [] : [{ ...delivery, message: { ...delivery.message, seq } }]
  })
  await hers.send('withheld')
  await hers.send('delivered')
  await eventually(() => expect(notices).toEqual(['missing']))
  expect(textsOf(his.messages)).toEqual(['first', 'second', 'delivered'])
})

it('notices that the first messages were withheld', async () => {
  const { app, proxy, hers, his } = await startTalk()
  await hers.send('third')
  await hers.send('fourth')
  const first = his.messages[0]!.group
  const without = (items: Delivery['message'][]) =>
    items.filter(({ message_group }) => message_group !== first)
  tamperJoins(proxy, (reply) => {
    const page = reply.messages as { items: Delivery['message'][] } | undefined
    return page ? { ...reply, messages: { ...page, items: without(page.items) } } : reply
  })
  const elsewhere = (await signInKeyed(proxy, 'bob')).conversations.get(his.id)
  const noticed = elsewhere.once('notice')
  await elsewhere.open()
  expect(textsOf(elsewhere.messages)).toEqual(['second', 'third', 'fourth'])
  expect(await noticed).toEqual({ code: 'missing', count: 1 })

  const whole = await (await signInKeyed(app, 'bob')).open(his.id)
  const notices = collectNotices(whole)
  const read = []
  for await (const message of whole.history()) read.push(message)
  expect(read.flatMap(({ problems }) => problems)).toEqual([])
  expect(notices).toEqual([])
})

it('keeps an edit that the server takes back', async () => {
  const { proxy, hers, his, notices } = await startTalk()
  let original: Delivery | undefined
  tamperMessages(proxy, (delivery, event) => {
    if (event === 'new_message') original = delivery
    if (event === 'new_message' || !original) return [delivery]
    const again = { ...original, seq: delivery.seq! + 1 }
    return [delivery, ['edit_message', again]]
  })
  await hers.send('At noon')
  await eventually(() => expect(hers.messages).toHaveLength(3))
  await hers.edit(hers.messages[2]!, 'At midnight')
  await eventually(() => expect(notices).toEqual(['stale']))
  expect(his.messages[2]).toMatchObject({ body: { text: 'At midnight' }, problems: [{ code: 'stale' }] })
})

it('notices that the server serves a message as it was before an edit', async () => {
  const { proxy, hers, his } = await startTalk()
  const originals: Delivery['message'][] = []
  tamperMessages(proxy, (delivery, event) => {
    if (event === 'new_message') originals.push(delivery.message)
    return [delivery]
  })
  await hers.send('At noon')
  await eventually(() => expect([hers.messages.length, his.messages.length]).toEqual([3, 3]))
  await hers.edit(hers.messages[2]!, 'At midnight')
  await eventually(() => expect(his.messages[2]!.revision).toBe(1))
  proxy.tampering.response = (path, body) => {
    const page = body as { items?: Delivery['message'][] }
    if (!path.startsWith('/api/messages') || !page.items) return body
    return {
      ...page,
      items: page.items.map(
        (item) => originals.find((one) => one.message_group === item.message_group) ?? item,
      ),
    }
  }
  const read = []
  for await (const message of his.history()) read.push(message)
  expect(read[0]).toMatchObject({ body: { text: 'At midnight' }, problems: [{ code: 'stale' }] })
})

it('notices that the ciphertexts of two messages were swapped', async () => {
  const { proxy, hers, his, notices } = await startTalk()
  let shared: string | undefined
  tamperMessages(proxy, (delivery) => {
    const other = shared
    shared = delivery.message.shared
    return [other ? { ...delivery, message: { ...delivery.message, shared: other } } : delivery]
  })
  await hers.send('one')
  await hers.send('two')
  await eventually(() => expect(notices).toEqual(['shared_altered']))
  expect(his.messages[3]).toMatchObject({ type: 'unreadable', body: {}, verified: 'invalid' })
})

it.each([
  { what: 'one character of a copy', code: 'undecryptable_copy', change: copyAltered },
  { what: 'the form of a copy', code: 'malformed_copy', change: headerAltered },
  { what: 'one character of the ciphertext', code: 'shared_altered', change: sharedAltered },
  { what: 'the ciphertext away', code: 'shared_missing', change: sharedDropped },
])('notices that the server changed $what', async ({ code, change }) => {
  const { proxy, hers, his, notices } = await startTalk()
  tamperMessages(proxy, (delivery) => [{ ...delivery, message: change(delivery.message) }])
  await hers.send('Hello')
  await eventually(() => expect(notices).toEqual([code]))
  expect(his.messages[2]).toMatchObject({
    type: 'unreadable',
    body: {},
    verified: 'invalid',
    problems: [{ code }],
  })
})

it('notices the same in what is delivered after a reconnect', async () => {
  const { proxy, hers, his, notices } = await startTalk()
  let isCut = false
  proxy.tampering.toClient = (frame) => {
    const { response } = frame[4] as { response?: { recovered?: boolean; changes?: { payload: Delivery }[] } }
    for (const { payload } of response?.changes ?? []) payload.message = sharedAltered(payload.message)
    return isCut || frame[3] !== 'new_message' ? [frame] : []
  }
  await hers.send('Hello')
  isCut = true
  proxy.disconnectAll()
  await eventually(() => expect(notices).toEqual(['shared_altered']))
  expect(his.messages[2]).toMatchObject({ type: 'unreadable', body: {}, verified: 'invalid' })
})

it('notices that the server names another sender', async () => {
  const { proxy, bob, hers, his, notices } = await startTalk()
  tamperMessages(proxy, (delivery) => [
    { ...delivery, message: { ...delivery.message, sender: bob.user.id } },
  ])
  await hers.send('I owe you nothing')
  await eventually(() => expect(notices).toEqual(['unknown_key']))
  expect(his.messages[2]).toMatchObject({ mine: true, type: 'unreadable', body: {}, verified: 'invalid' })
})

it('notices that a message was moved to another conversation', async () => {
  const { proxy, bob, ann, hers, his } = await startTalk()
  const group = await ann.conversations.startGroup([bob.user.id])
  const target = await bob.open(group.id)
  const seq = (target.messages.at(-1)?.seq ?? 0) + 1
  const moved = target.once('notice')
  tamperMessages(proxy, (delivery) => [
    {
      ...delivery,
      conversation_id: group.id,
      message: { ...delivery.message, conversation_id: group.id, seq },
    },
  ])
  await hers.send('Yes')
  expect(await moved).toMatchObject({ code: 'wrong_conversation' })
  await eventually(() => {
    expect(target.messages).toMatchObject([{ type: 'unreadable', body: {}, verified: 'invalid' }])
  })
  expect(his.messages).toHaveLength(2)
})

it('keeps a message in whose place the server puts another one', async () => {
  const { proxy, hers, his, notices } = await startTalk()
  const [first] = his.messages
  tamperMessages(proxy, (delivery) => [
    [
      'edit_message',
      {
        ...delivery,
        seq: delivery.message.seq,
        message: { ...delivery.message, message_group: first!.group },
      },
    ],
  ])
  await hers.send('another')
  await eventually(() => expect(notices).toEqual(['not_an_edit']))
  expect(his.messages[0]).toMatchObject({ body: { text: 'first' }, problems: [{ code: 'not_an_edit' }] })
})

it('notices that the server deleted a message', async () => {
  const { proxy, hers, his, notices } = await startTalk()
  const [first] = his.messages
  tamperMessages(proxy, () => [])
  const deleted = his.once('delete')
  const payload = { message_group_id: first!.group, seq: his.messages.at(-1)!.seq + 1 }
  proxy.inject([null, null, `conversation:${hers.id}`, 'delete_message', payload])
  expect(await deleted).toMatchObject({ isDeleted: true, problems: [{ code: 'deletion_not_signed' }] })
  expect(notices).toEqual(['deletion_not_signed'])
})

function copyAltered({ content, ...message }: Delivery['message']) {
  return { ...message, content: alter(content, 3) }
}

function headerAltered({ content, ...message }: Delivery['message']) {
  return { ...message, content: alter(content, 0) }
}

function sharedAltered({ shared, ...message }: Delivery['message']) {
  return { ...message, shared: alter(shared!, 3) }
}

function sharedDropped({ shared: _shared, ...message }: Delivery['message']) {
  return message
}
