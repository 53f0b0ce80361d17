import { describe, expect, it } from 'vitest'
import { type Chat, contentsFor, resultOf, setUpGroupOfTwo } from '../../support/chat-services.ts'

let chat: Chat
let [ann, bob, cid, group] = ['', '', '', '']

setUpGroupOfTwo((given) => {
  ;({ chat, ann, bob, cid, group } = given)
})

async function sendMany(count: number, to = [ann, bob]) {
  const sends = Array.from({ length: count }, (_, n) =>
    chat.messages.send(group, ann, contentsFor(to, `message ${n + 1}`)),
  )
  await Promise.all(sends)
}

/** The missed changes of Bob in short: their seqs, or those of a page. */
async function since(afterSeq: number, userId = bob) {
  const { lastSeq, ...rest } = await chat.messages.since(userId, group, afterSeq)
  const places = rest.recovered
    ? rest.changes.map(({ kind, changeSeq }) => `${kind} ${changeSeq}`)
    : rest.latest.items.map(({ seq }) => seq)
  return { lastSeq, recovered: rest.recovered, places }
}

describe('the missed changes of a conversation', () => {
  it('are returned individually', async () => {
    await sendMany(3)
    expect(await since(1)).toEqual({ lastSeq: 3, recovered: true, places: ['sent 2', 'sent 3'] })
    expect(await since(3)).toEqual({ lastSeq: 3, recovered: true, places: [] })
  })

  it('are returned individually up to 500, and replaced by the newest page above', async () => {
    await sendMany(501)
    const found = await since(1)
    expect(found).toMatchObject({ lastSeq: 501, recovered: true })
    expect(found.places).toHaveLength(500)
    expect(await since(0)).toEqual({
      lastSeq: 501,
      recovered: false,
      places: Array.from({ length: 20 }, (_, n) => 501 - n),
    })
  })

  it('are replaced by the newest page for a seq greater than the latest', async () => {
    await sendMany(2)
    expect(await since(3)).toEqual({ lastSeq: 2, recovered: false, places: [2, 1] })
    expect(await since(Number.MAX_SAFE_INTEGER)).toMatchObject({ recovered: false })
  })

  it('are replaced by the newest page for a seq before the member was added', async () => {
    await sendMany(2)
    await chat.conversations.addMembers(group, ann, { newMembers: [cid] })
    await sendMany(2, [ann, bob, cid])
    expect(await since(1, cid)).toEqual({ lastSeq: 4, recovered: false, places: [4, 3] })
    expect(await since(2, cid)).toEqual({ lastSeq: 4, recovered: true, places: ['sent 3', 'sent 4'] })
    await chat.conversations.leave(group, cid)
    await chat.conversations.addMembers(group, ann, { newMembers: [cid] })
    expect(await since(4, cid)).toEqual({ lastSeq: 5, recovered: false, places: [4, 3] })
    expect(await since(5, cid)).toEqual({ lastSeq: 5, recovered: true, places: [] })
  })

  it('are rejected for non-members', async () => {
    expect(await resultOf(chat.messages.since(cid, group, 0))).toBe('no_conversation')
    expect(await resultOf(chat.messages.since(ann, 'undefined', 0))).toBe('no_conversation')
  })
})
