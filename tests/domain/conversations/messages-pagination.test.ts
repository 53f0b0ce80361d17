import { v7 as newId } from 'uuid'
import { describe, expect, it } from 'vitest'
import { type Chat, contentsFor, resultOf, setUpGroupOfTwo, startGroup } from '../../support/chat-services.ts'

let chat: Chat
let [ann, bob, cid, group] = ['', '', '', '']

setUpGroupOfTwo((given) => {
  ;({ chat, ann, bob, cid, group } = given)
})

/** Sends `message 1` and so on. */
async function sendMany(count: number) {
  const texts = Array.from({ length: count }, (_, n) => `message ${n + 1}`)
  await Promise.all(texts.map((text) => chat.messages.send(group, ann, contentsFor([ann, bob], text))))
}

async function page(request: { pageSize?: number; pageToken?: string | null }, userId = bob) {
  const { items, pageToken } = await chat.messages.history(userId, {
    conversationId: group,
    pageSize: request.pageSize,
    pageToken: request.pageToken ?? undefined,
  })
  return { seqs: items.map((message) => message.seq), pageToken }
}

describe('the history of a conversation', () => {
  it('returns pages of 20, newest first, until the end', async () => {
    await sendMany(45)
    const first = await page({})
    const second = await page({ pageToken: first.pageToken })
    const third = await page({ pageToken: second.pageToken })
    expect([...first.seqs, ...second.seqs, ...third.seqs]).toEqual(
      Array.from({ length: 45 }, (_, n) => 45 - n),
    )
    expect([first, second, third].map(({ seqs }) => seqs.length)).toEqual([20, 20, 5])
    expect(third.pageToken).toBeNull()
  })

  it('returns pages of the requested size, of which the last may be full', async () => {
    await sendMany(6)
    const first = await page({ pageSize: 3 })
    const second = await page({ pageSize: 3, pageToken: first.pageToken })
    expect([first.seqs, second]).toEqual([[6, 5, 4], { seqs: [3, 2, 1], pageToken: null }])
    expect((await page({ pageSize: 1 })).seqs).toEqual([6])
    expect(await page({ pageSize: 6 })).toMatchObject({ pageToken: null })
  })

  it('returns each reader their own copies, also to concurrent requests', async () => {
    await sendMany(25)
    const others = await startGroup(chat, [bob, cid])
    await chat.messages.send(others, bob, contentsFor([bob, cid], 'for two'))
    const empty = await startGroup(chat, [ann, cid])
    const { pageToken } = await page({})
    const read = async (userId: string, conversationId: string, request = {}) => {
      const { items } = await chat.messages.history(userId, { conversationId, ...request })
      return items.map(({ content, seq }) => `${seq} ${content}`)
    }
    const asked = () =>
      Promise.all([
        read(ann, group, { pageSize: 2 }),
        resultOf(read(cid, group)),
        read(bob, group, { pageToken }),
        read(cid, others),
        read(ann, empty),
        read(bob, group, { pageSize: 100 }),
        resultOf(read(ann, others)),
      ])
    const messages = Array.from({ length: 25 }, (_, n) => `${25 - n} message ${25 - n}`)
    const expected = [
      messages.slice(0, 2),
      'no_conversation',
      messages.slice(20),
      ['1 for two'],
      [],
      messages,
      'no_conversation',
    ]
    for (const answers of await Promise.all(Array.from({ length: 20 }, asked))) {
      expect(answers).toEqual(expected)
    }
  })

  it('keeps its page boundaries when messages are sent or deleted between two requests', async () => {
    await sendMany(4)
    const first = await page({ pageSize: 2 })
    const [newest] = (await chat.messages.latest(ann, group)).items
    await chat.messages.delete(group, ann, newest?.groupId ?? '')
    await sendMany(3)
    expect((await page({ pageSize: 2, pageToken: first.pageToken })).seqs).toEqual([2, 1])
  })

  it('is empty for a member without messages', async () => {
    expect(await page({})).toEqual({ seqs: [], pageToken: null })
    await sendMany(1)
    await chat.conversations.addMembers(group, ann, { newMembers: [cid] })
    expect(await page({}, cid)).toEqual({ seqs: [], pageToken: null })
  })

  it('rejects users who are not members', async () => {
    const ask = (userId: string, conversationId: string) =>
      resultOf(chat.messages.history(userId, { conversationId }))
    await sendMany(1)
    expect(await ask(cid, group)).toBe('no_conversation')
    expect(await ask(ann, newId())).toBe('no_conversation')
    expect(await ask(ann, 'undefined')).toBe('no_conversation')
    expect(await resultOf(chat.messages.latest(cid, group))).toBe('no_conversation')
    await chat.conversations.leave(group, bob)
    expect(await ask(bob, group)).toBe('no_conversation')
    expect(await ask(ann, group.toUpperCase())).toBe('ok')
  })

  it('rejects a page token that was changed, or created for another user or conversation', async () => {
    await sendMany(3)
    const { pageToken } = await page({ pageSize: 1 })
    const other = await startGroup(chat, [ann, bob])
    const ask = (userId: string, conversationId: string, token: string) =>
      resultOf(chat.messages.history(userId, { conversationId, pageToken: token }))
    const token = pageToken ?? ''
    expect(await ask(bob, group, token)).toBe('ok')
    expect(await ask(bob, group.toUpperCase(), token)).toBe('ok')
    expect(await ask(ann, group, token)).toBe('invalid_page_token')
    expect(await ask(bob, other, token)).toBe('invalid_page_token')
    const altered = (token.startsWith('A') ? 'B' : 'A') + token.slice(1)
    for (const changed of [`${token}A`, token.slice(1), altered, 'x', '\0', '1']) {
      expect(await ask(bob, group, changed), changed).toBe('invalid_page_token')
    }
  })
})
