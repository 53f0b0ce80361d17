import { describe, expect, it } from 'vitest'
import { startApp } from '../support/app.ts'
import { eventually } from '../support/eventually.ts'
import { FaultProxy } from '../support/fault-proxy.ts'
import { png } from '../support/media.ts'
import { TamperingProxy } from '../support/tampering-proxy.ts'
import { registerClient } from './support/clients.ts'

describe.each(['documented', 'legacy'])('a room, in the %s dialect', (contract) => {
  it('delivers texts, replies, media, typing and the number of members online', async () => {
    const app = await startApp({ CONTRACT: contract })
    const [ann, bob] = await Promise.all([registerClient(app, 'ann'), registerClient(app, 'bob')])
    const hers = await ann.rooms.create('Garden club', [bob.user.id])
    const his = await bob.rooms.join(hers.id)
    expect(await bob.rooms.join(hers.id)).toBe(his)
    await eventually(() => expect([hers.online, his.online]).toEqual([2, 2]))

    const typing = his.once('typing')
    hers.startTyping()
    expect(await typing).toHaveLength(1)
    const stopped = his.once('typing')
    const text = his.once('message')
    await hers.send('Hello, roses!')
    const first = await text
    expect(first).toMatchObject({ type: 'text', text: 'Hello, roses!', url: null, replyTo: null })
    expect(first.sentAt).toEqual(new Date('2026-01-15T12:00:00Z'))
    expect(await stopped).toEqual([])

    const reply = hers.once('message', (message) => message.replyTo !== null)
    await his.send('Hello back!', { replyTo: first })
    expect((await reply).replyTo).toEqual({ id: first.id, text: 'Hello, roses!', sender: first.sender })

    const progress: number[] = []
    const image = new Blob([new Uint8Array(png())], { type: 'image/png' })
    const picture = hers.once('message', (message) => message.type === 'image')
    const sent = await his.sendMedia(image, { onProgress: (count) => progress.push(count), replyTo: first })
    expect(progress.at(-1)).toBe(image.size)
    const { id, url } = await picture
    expect(id).toBe(sent.id)
    expect(
      (await (await fetch(app.url + url!.slice(new URL(url!).origin.length))).arrayBuffer()).byteLength,
    ).toBe(image.size)

    const read = []
    for await (const message of hers.history()) read.push(message)
    expect(read.map(({ type }) => type)).toEqual(['image', 'text', 'text'])
    expect(read.at(-1)).toEqual(first)
    expect(hers.messages.map(({ id: known }) => known)).toEqual(read.map(({ id: known }) => known).reverse())
  })
})

it('lists rooms, adds and removes members', async () => {
  const app = await startApp()
  const [ann, bob] = await Promise.all([registerClient(app, 'ann'), registerClient(app, 'bob')])
  const hers = await ann.rooms.create('Garden club')
  await expect(ann.rooms.create('Garden club')).rejects.toMatchObject({ code: 'room_exists' })
  const listed = []
  for await (const { id, name, memberIds } of bob.rooms.list()) listed.push([id, name, memberIds.length])
  expect(listed).toEqual([[hers.id, 'Garden club', 1]])
  await expect(bob.rooms.join(hers.id)).rejects.toMatchObject({ code: 'not_member' })
  const notice = hers.once('notice')
  await ann.rooms.addMembers(hers.id, [bob.user.id])
  expect(await notice).toMatch(/ was added to the chat\.$/)
  const his = await bob.rooms.join(hers.id)
  const removed = his.once('removed')
  await his.leave()
  await removed
  await expect(his.send('Gone')).rejects.toMatchObject({ code: 'removed' })
  await expect(hers.leave()).rejects.toMatchObject({ code: 'creator_stays' })
})

it('asks for exactly the room and the user it is given', async () => {
  const app = await startApp()
  const proxy = await TamperingProxy.start(app.url)
  const ann = await registerClient(proxy, 'ann')
  const paths: string[] = []
  proxy.tampering = { fails: (path) => paths.push(path) === 0 }
  await expect(ann.rooms.addMembers('a/b?c', [ann.user.id])).rejects.toMatchObject({ status: 404 })
  await expect(ann.rooms.removeMember('a/b?c', '../d')).rejects.toMatchObject({ status: 404 })
  const members = '/api/v1/chat/rooms/a%2Fb%3Fc/users'
  expect(paths.filter((path) => path.startsWith('/api/v1'))).toEqual([members, `${members}/..%2Fd`])
})

it('delivers what was sent and missed while disconnected, in order and once', async () => {
  const app = await startApp()
  const proxy = await FaultProxy.start(app.url)
  const { port } = proxy
  const [ann, bob] = await Promise.all([registerClient(proxy, 'ann'), registerClient(app, 'bob')])
  const his = await bob.rooms.create('Garden club', [ann.user.id])
  await his.send('zero')
  const hers = await ann.rooms.join(his.id)
  const received: (string | null)[] = []
  hers.on('message', ({ text }) => received.push(text))
  await proxy.close()
  const sent = [hers.send('three'), hers.send('four')]
  for (let index = 0; index < 12; index++) await his.send(`missed ${index}`)
  await proxy.listen(port)
  await Promise.all(sent)
  const expected = [...Array.from({ length: 12 }, (_, index) => `missed ${index}`), 'three', 'four']
  await eventually(() => expect(received).toEqual(expected))
  expect(hers.messages.map(({ text }) => text)).toEqual(['zero', ...expected])
  await eventually(() => expect(his.messages.map(({ text }) => text)).toEqual(['zero', ...expected]))
})

it('rejects what is not sent when the client is closed', async () => {
  const app = await startApp()
  const proxy = await FaultProxy.start(app.url)
  const ann = await registerClient(proxy, 'ann')
  const room = await ann.rooms.create('Garden club')
  await proxy.close()
  const sent = room.send('Never')
  void ann.close()
  await expect(sent).rejects.toMatchObject({ code: 'disconnected' })
})
