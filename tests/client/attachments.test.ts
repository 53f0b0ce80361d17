import { expect, it } from 'vitest'
import { startApp } from '../support/app.ts'
import { eventually } from '../support/eventually.ts'
import { registerKeyed } from './support/clients.ts'

it.each([0, 1, 65_536, 5_000_000])('sends and receives a file of %i bytes', async (size) => {
  const app = await startApp()
  const [ann, bob] = await Promise.all([registerKeyed(app, 'ann'), registerKeyed(app, 'bob')])
  const hers = await ann.conversations.with('bob@example.com')
  const his = await bob.open(hers.id)
  const bytes = Uint8Array.from({ length: size }, (_, index) => (index * 7919) % 251)
  const progress: number[] = []
  const file = new File([bytes], 'notes.txt', { type: 'text/plain;charset=utf-8' })
  await hers.sendFiles([file], {
    text: 'My notes',
    onProgress: (transferred) => void progress.push(transferred),
  })
  expect(progress.at(-1)).toBe(size)
  await eventually(() => expect(his.messages).toHaveLength(1))
  const { body, verified, problems } = his.messages[0]!
  expect([body.text, verified, problems]).toEqual(['My notes', 'signed', []])
  const [received] = body.files!
  expect(received).toMatchObject({ name: 'notes.txt', type: 'text/plain', size })
  const parts: Uint8Array[] = []
  for await (const part of his.download(received!)) parts.push(part)
  expect(Buffer.concat(parts).equals(bytes)).toBe(true)

  // The deletion of the message deletes the file.
  const deleted = his.once('delete')
  await hers.delete(hers.messages[0]!)
  await deleted
  await expect(his.download(received!).next()).rejects.toMatchObject({ code: 'no_attachment' })
})
