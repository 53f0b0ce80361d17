import { describe, expect, it } from 'vitest'
import type { Message } from '../../src/client/conversations/message.ts'
import { startApp } from '../support/app.ts'
import { eventually } from '../support/eventually.ts'
import { collectTexts, registerClient, signInClient } from './support/clients.ts'

describe.each(['documented', 'legacy'])('a conversation, in the %s dialect', (contract) => {
  it('delivers messages, edits and deletions to both members', async () => {
    const app = await startApp({ CONTRACT: contract })
    const [ann, bob] = await Promise.all([registerClient(app, 'ann'), registerClient(app, 'bob')])
    const hers = await ann.conversations.with('bob@example.com')
    const his = await bob.conversations.with('Ann@Example.com')
    expect(his.id).toBe(hers.id)
    expect(hers.isPrivate).toBe(true)
    const received: Message[] = []
    his.on('message', (message) => void received.push(message))
    const first = await hers.send('Hello')
    expect(first).toMatchObject({ seq: 1 })
    await eventually(() => expect(received).toHaveLength(1))
    expect(received[0]).toMatchObject({
      body: { text: 'Hello' },
      sender: { name: 'ann Example', email: 'ann@example.com' },
      mine: false,
      seq: 1,
    })
    expect(received[0]!.insertedAt.getTime()).toBeGreaterThan(0)
    expect(first.at).toEqual(received[0]!.insertedAt)
    const edited = his.once('edit')
    expect(await hers.edit(hers.messages[0]!, 'Hello, Bob')).toMatchObject({ seq: 2 })
    expect(await edited).toMatchObject({ id: received[0]!.id, body: { text: 'Hello, Bob' }, revision: 1 })
    const deleted = his.once('delete')
    await hers.delete(hers.messages[0]!)
    expect(await deleted).toMatchObject({ id: received[0]!.id, isDeleted: true })
    expect(his.messages).toEqual([])
  })

  it('reads the history of a long conversation, newest first', async () => {
    const app = await startApp({ CONTRACT: contract })
    const [ann] = await Promise.all([registerClient(app, 'ann'), registerClient(app, 'bob')])
    const chat = await ann.conversations.with('bob@example.com')
    const texts = Array.from({ length: 60 }, (_, index) => `message ${index}`)
    await Promise.all(texts.map((text) => chat.send(text)))
    const read: (string | undefined)[] = []
    for await (const { body } of chat.history()) read.push(body.text)
    expect(read).toEqual([...texts].reverse())
  })
})

it('starts one private conversation when both members start it at the same moment', async () => {
  const app = await startApp()
  const [ann, bob] = await Promise.all([registerClient(app, 'ann'), registerClient(app, 'bob')])
  const [hers, his] = await Promise.all([
    ann.conversations.with('bob@example.com'),
    bob.conversations.with(ann.user.id),
  ])
  expect(hers.id).toBe(his.id)
  expect(await ann.conversations.with(bob.user.id)).toBe(hers)
})

it('finds nobody by an unknown address', async () => {
  const app = await startApp()
  const ann = await registerClient(app, 'ann')
  await expect(ann.conversations.with('nobody@example.com')).rejects.toMatchObject({
    code: 'users_not_found',
  })
})

it('announces members, names, read positions and typing in a group', async () => {
  const app = await startApp()
  const [ann, bob, carol] = await Promise.all(
    ['ann', 'bob', 'carol'].map((name) => registerClient(app, name)),
  )
  const hers = await ann!.conversations.startGroup(['bob@example.com'], { alias: 'Weekend' })
  const his = await bob!.open(hers.id)
  expect(his.alias).toBe('Weekend')
  await hers.send('Hello')
  await eventually(() => expect(his.unread).toBe(1))

  const read = hers.once('read', ({ member }) => member.id === bob!.user.id)
  await his.markRead()
  expect(await read).toMatchObject({ seq: 1 })
  expect(his.unread).toBe(0)

  const typing = hers.once('typing', (members) => members.length === 1)
  his.startTyping()
  expect((await typing)[0]).toMatchObject({ id: bob!.user.id })
  const stopped = hers.once('typing', (members) => members.length === 0)
  await his.send('Hello back')
  await stopped

  const renamed = his.once('alias')
  await hers.rename('Garden')
  expect(await renamed).toBe('Garden')

  const added = carol!.conversations.once('added')
  await hers.addMembers([carol!.user.id])
  const carols = await (await added).open()
  await eventually(() => expect(his.members).toHaveLength(3))
  const texts = collectTexts(carols)
  await his.send('Welcome')
  await eventually(() => expect(texts).toEqual(['Welcome']))

  await carols.leave()
  await eventually(() => expect(hers.members.map(({ id }) => id)).not.toContain(carol!.user.id))
  await hers.send('Gone')
  await his.send('Indeed')
  await eventually(() => expect(hers.messages.at(-1)?.body.text).toBe('Indeed'))
  expect(texts).toEqual(['Welcome'])
  expect(carols.messages.map(({ body }) => body.text)).toEqual(['Welcome'])
})

it('sends to members who were added a moment ago, and not to those who have left', async () => {
  const app = await startApp()
  const [ann, bob] = await Promise.all(['ann', 'bob', 'carol'].map((name) => registerClient(app, name)))
  const hers = await ann!.conversations.startGroup(['bob@example.com'])
  const his = await bob!.open(hers.id)
  const carol = await signInClient(app, 'carol')
  const sent = [hers.send('one'), hers.addMembers([carol.user.id]), hers.send('two'), his.send('three')]
  await Promise.all(sent)
  await his.leave()
  await hers.send('four')
  const texts = () => hers.messages.map(({ body }) => body.text).sort()
  await eventually(() => expect(texts()).toEqual(['four', 'one', 'three', 'two']))
})

it('shows who is online', async () => {
  const app = await startApp()
  const ann = await registerClient(app, 'ann')
  const bob = await registerClient(app, 'bob')
  const isOnline = () => {
    app.clock.advance(100)
    return ann.presence.has(bob.user.id)
  }
  await eventually(() => expect(isOnline()).toBe(true))
  await bob.setHidden(true)
  await eventually(() => expect(isOnline()).toBe(false))
})

it('lists conversations and users', async () => {
  const app = await startApp()
  const [ann] = await Promise.all(['ann', 'bob', 'carol'].map((name) => registerClient(app, name)))
  const group = await ann!.conversations.startGroup(['bob@example.com', 'carol@example.com'], {
    alias: 'All',
  })
  await group.send('Hello')
  const listed = []
  for await (const conversation of ann!.conversations.list()) listed.push(conversation)
  expect(listed).toEqual([
    expect.objectContaining({ id: group.id, alias: 'All', isPrivate: false, lastSeq: 1 }),
  ])
  const names = []
  for await (const { name } of ann!.users('example')) names.push(name)
  expect(names.sort()).toEqual(['bob Example', 'carol Example'])
})
