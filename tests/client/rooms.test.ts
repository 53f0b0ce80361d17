import { expect, it } from 'vitest'
import type { RoomMessage } from '../../src/client/rooms/room-message.ts'
import { startApp } from '../support/app.ts'
import { eventually } from '../support/eventually.ts'
import { registerClient } from './support/clients.ts'

const DOT = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGM4Y2wMAAMBATPEwnsTAAAAAElFTkSuQmCC'

it('sends texts, replies and media to a room, and reads what was missed', async () => {
  const app = await startApp()
  const [ann, bob] = await Promise.all([registerClient(app, 'ann'), registerClient(app, 'bob')])
  const [annRooms, bobRooms] = await Promise.all([ann.openRooms(), bob.openRooms()])
  const hers = await annRooms.create('Garden club', [bob.user.id])
  const listed = []
  for await (const { id, name } of bobRooms.list()) listed.push({ id, name })
  expect(listed).toEqual([{ id: hers.id, name: 'Garden club' }])
  const his = await bobRooms.join(hers.id)
  const received: RoomMessage[] = []
  his.on('message', (message) => void received.push(message))
  await hers.send('Hello, roses!')
  await eventually(() =>
    expect(received).toMatchObject([{ format: 'text', text: 'Hello, roses!', replyTo: null }]),
  )
  await his.send('Hello!', { replyTo: received[0]!.id })
  await hers.sendMedia(new Blob([Buffer.from(DOT, 'base64')], { type: 'image/png' }))
  await eventually(() =>
    expect(received.slice(1)).toMatchObject([
      { text: 'Hello!', replyTo: { id: received[0]!.id, content: 'Hello, roses!' } },
      { format: 'image', text: null, url: expect.stringContaining('/api/v1/chat/media/') },
    ]),
  )
  const typing = his.once('typing')
  hers.setTyping(true)
  expect((await typing).sentence).toContain('typing')

  await app.close()
  const sent = hers.send('Sent while the server was away')
  await app.restart()
  await sent
  await eventually(() => expect(received.map(({ text }) => text)).toContain('Sent while the server was away'))
  const history = []
  for await (const { text, format } of his.history()) history.push(text ?? format)
  expect(history).toEqual(['Sent while the server was away', 'image', 'Hello!', 'Hello, roses!'])
})

it('rejects a room that the user is not a member of', async () => {
  const app = await startApp()
  const [ann, bob] = await Promise.all([registerClient(app, 'ann'), registerClient(app, 'bob')])
  const room = await (await ann.openRooms()).create('Garden club')
  await expect((await bob.openRooms()).join(room.id)).rejects.toMatchObject({ code: 'not_member' })
})
