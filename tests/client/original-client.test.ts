import { describe, expect, it } from 'vitest'
import { NEWER_CLIENT_NOTE } from '../../src/client/encryption/original-copies.ts'
import { startApp } from '../support/app.ts'
import { eventually } from '../support/eventually.ts'
import { registerKeyed } from './support/clients.ts'
import { OriginalClient } from './support/original-client.ts'

describe.each(['documented', 'legacy'])('an original client and a new one, in the %s dialect', (contract) => {
  it('talk in a private conversation that the original one has started', async () => {
    const app = await startApp({ CONTRACT: contract })
    const [ann, carol] = [await registerKeyed(app, 'ann'), await OriginalClient.signUp(app, 'carol')]
    const id = await carol.startPrivate(ann.user.id)
    const hers = await ann.open(id)
    await carol.open(id)
    await eventually(() => expect(carol.hasKeyOf(ann.user.id)).toBe(true))

    await expect(hers.send('Hello')).rejects.toMatchObject({
      code: 'unsigned_members',
      userIds: [carol.id],
    })
    await hers.send('Grüße, Carol', { allowUnsigned: true })
    await eventually(() => expect(carol.texts).toEqual(['Grüße, Carol']))

    await carol.send('Hello, Ann')
    await eventually(() => expect(hers.messages).toHaveLength(2))
    expect(hers.messages[1]).toMatchObject({
      ...{ body: { text: 'Hello, Ann' }, verified: 'unsigned', problems: [] },
      sender: { id: carol.id },
    })
    await carol.edit('Hello, Ann', 'Hello, dear Ann')
    await eventually(() => expect(hers.messages[1]!.body.text).toBe('Hello, dear Ann'))
    expect(hers.messages[1]!.verified).toBe('unsigned')

    await hers.edit(hers.messages[0]!, 'Hello, Carol', { allowUnsigned: true })
    await eventually(() => expect(carol.texts).toEqual(['Hello, Carol', 'Hello, dear Ann']))
    await hers.send('x'.repeat(191), { allowUnsigned: true })
    await eventually(() => expect(carol.texts[2]).toBe(NEWER_CLIENT_NOTE))
    await eventually(() => expect(hers.messages).toHaveLength(3))
    await hers.delete(hers.messages[2]!)
    await eventually(() => expect(carol.texts).toEqual(['Hello, Carol', 'Hello, dear Ann']))

    await carol.delete('Hello, dear Ann')
    await eventually(() =>
      expect(hers.messages.map(({ body }) => body.text)).not.toContain('Hello, dear Ann'),
    )
  })

  it('talk in a group with two new members, between whom messages are signed', async () => {
    const app = await startApp({ CONTRACT: contract })
    const [ann, bob] = await Promise.all([registerKeyed(app, 'ann'), registerKeyed(app, 'bob')])
    const carol = await OriginalClient.signUp(app, 'carol')
    const hers = await ann.conversations.startGroup([bob.user.id, carol.id])
    await carol.open(hers.id)
    await carol.setKeys()
    const his = await bob.open(hers.id)
    await eventually(() => expect([ann, bob].every(({ user }) => carol.hasKeyOf(user.id))).toBe(true))
    await eventually(() => expect(hers.context.publicKeys[carol.id]).toBeDefined())

    await hers.send('Hello, all', { allowUnsigned: true })
    await eventually(() => expect(carol.texts).toEqual(['Hello, all']))
    await eventually(() => expect(his.messages).toHaveLength(1))
    expect(his.messages[0]).toMatchObject({ body: { text: 'Hello, all' }, verified: 'signed', problems: [] })

    await carol.send('Hello, both')
    for (const chat of [hers, his]) {
      await eventually(() => expect(chat.messages).toHaveLength(2))
      expect(chat.messages[1]).toMatchObject({
        body: { text: 'Hello, both' },
        verified: 'unsigned',
        problems: [],
      })
    }
    await expect(his.send('Hello')).rejects.toMatchObject({ code: 'unsigned_members', userIds: [carol.id] })
    expect(carol.texts).toEqual(['Hello, all', 'Hello, both'])
  })
})
