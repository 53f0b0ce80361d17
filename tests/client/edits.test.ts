import { expect, it } from 'vitest'
import { replyTo } from '../../src/client/conversations/content.ts'
import { startApp } from '../support/app.ts'
import { eventually } from '../support/eventually.ts'
import { registerKeyed, signInKeyed } from './support/clients.ts'
import { OriginalClient } from './support/original-client.ts'

async function startTalk() {
  const app = await startApp()
  const [ann, bob] = await Promise.all([registerKeyed(app, 'ann'), registerKeyed(app, 'bob')])
  const hers = await ann.conversations.with(bob.user.id)
  await hers.send('Hello')
  await eventually(() => expect(hers.messages).toHaveLength(1))
  return { app, ann, bob, hers, his: await bob.open(hers.id) }
}

it('keeps the type of a reply whose text is replaced', async () => {
  const { hers, his } = await startTalk()
  const [first] = hers.messages
  await hers.send(replyTo(first!, 'How are you?'))
  await eventually(() => expect(hers.messages).toHaveLength(2))
  const edited = his.once('edit')
  await hers.edit(hers.messages[1]!, 'Who are you?')
  expect(await edited).toMatchObject({
    ...{ type: 'reply', body: { to: first!.id, text: 'Who are you?' } },
    ...{ revision: 1, verified: 'signed', problems: [] },
  })
})

it('rejects an edit to another type, and sends nothing', async () => {
  const { hers } = await startTalk()
  const [first] = hers.messages
  await hers.react(first!, '👍')
  await eventually(() => expect(hers.messages).toHaveLength(2))
  const rejection = { code: 'invalid_content' }
  await expect(hers.edit(first!, replyTo(first!, 'Hello'))).rejects.toMatchObject(rejection)
  await expect(hers.edit(hers.messages[1]!, 'a text')).rejects.toMatchObject(rejection)
  expect(await hers.pending()).toEqual([])
})

it("deletes the user's messages of an original client, which cannot be edited", async () => {
  const app = await startApp()
  const [bob, original] = [await registerKeyed(app, 'bob'), await OriginalClient.signUp(app, 'ann')]
  const id = await original.startPrivate(bob.user.id)
  await original.open(id)
  await bob.open(id)
  await eventually(() => expect(original.hasKeyOf(bob.user.id)).toBe(true))
  await original.send('Hello')
  const ann = await signInKeyed(app, 'ann', undefined, { isNew: true })
  const hers = await ann.open(id)
  expect(hers.messages).toMatchObject([{ mine: true, origin: null }])
  await expect(hers.edit(hers.messages[0]!, 'a text')).rejects.toMatchObject({ code: 'not_editable' })
  const deleted = hers.once('delete')
  await hers.delete(hers.messages[0]!)
  expect(await deleted).toMatchObject({ isDeleted: true })
  expect(hers.messages).toEqual([])
})

it('deletes a message in a group with a member who has no key at all', async () => {
  const app = await startApp()
  const [ann, bob] = await Promise.all([registerKeyed(app, 'ann'), registerKeyed(app, 'bob')])
  const carol = await app.signUp('carol')
  const hers = await ann.conversations.startGroup([bob.user.id])
  const his = await bob.open(hers.id)
  await hers.send('Hello')
  await eventually(() => expect([hers.messages, his.messages].map(({ length }) => length)).toEqual([1, 1]))
  await hers.addMembers([carol.id])
  await eventually(() => expect(hers.members).toHaveLength(3))
  const deleted = his.once('delete')
  await hers.delete(hers.messages[0]!)
  expect(await deleted).toMatchObject({ isDeleted: true })
})
