import { describe, expect, it } from 'vitest'
import type { Database } from '../../src/db/database.ts'
import { type Changes, positionsOf, readChanges } from '../../src/db/queries/conversations/changes.ts'
import type { EventBus, MessageChange } from '../../src/domain/shared/events.ts'
import { chooseDialect } from '../../src/views/dialect.ts'
import { changeEventView, deletionView, messageEvents } from '../../src/views/messages.ts'
import { type Chat, contentsFor, keysNamed, setUpGroupOfTwo } from '../support/chat-services.ts'

let db: Database
let chat: Chat
let [ann, bob, cid, group] = ['', '', '', '']

setUpGroupOfTwo((given) => {
  ;({ db, chat, ann, bob, cid, group } = given)
})

async function changes(userId: string, afterSeq = 0, limit = 100): Promise<Changes | undefined> {
  return readChanges(db, { conversationId: group, userId, afterSeq, limit })
}

/** The changes in short: `sent 1 text`, `edited 3 text of 1`, `deleted 4`. */
async function brief(userId: string, afterSeq = 0, limit = 100) {
  const found = await changes(userId, afterSeq, limit)
  if (!found || found.changes === 'too_many') return found?.changes
  return found.changes.map((change) => {
    if (change.kind === 'deleted') return `deleted ${change.changeSeq}`
    const { content, seq } = change.message
    return change.kind === 'sent'
      ? `sent ${change.changeSeq} ${content}`
      : `edited ${change.changeSeq} ${content} of ${seq}`
  })
}

async function send(text: string, to = [ann, bob]): Promise<string> {
  await chat.messages.send(group, ann, contentsFor(to, text))
  const last = chat.emitted.at(-1)
  return last?.name === 'message_sent' ? last.groupId : ''
}

const edit = (groupId: string, text: string, to = [ann, bob]) =>
  chat.messages.edit(group, ann, { groupId, copies: contentsFor(to, text) })
const remove = (groupId: string) => chat.messages.delete(group, ann, groupId)

describe('the changes after a seq', () => {
  it('are sends, edits and deletions in order, with the current content', async () => {
    const [one, two, three] = [await send('one'), await send('two'), await send('three')]
    await edit(one, 'one, once')
    await edit(two, 'two, mended')
    await remove(three)
    await edit(one, 'one, twice')
    await send('four')
    expect(await brief(bob)).toEqual([
      'sent 1 one, twice',
      'sent 2 two, mended',
      'edited 5 two, mended of 2',
      'deleted 6',
      'edited 7 one, twice of 1',
      'sent 8 four',
    ])
    expect(await brief(bob, 5)).toEqual(['deleted 6', 'edited 7 one, twice of 1', 'sent 8 four'])
    expect(await changes(bob, 8)).toEqual({ lastSeq: 8, joinedSeq: 0, changes: [] })
    expect(await changes(bob, 9)).toEqual({ lastSeq: 8, joinedSeq: 0, changes: [] })
  })

  it('convert to the same events as were broadcast', async () => {
    const dialect = chooseDialect('documented')
    const frames: unknown[] = []
    const keep = (event: string, change: MessageChange, more?: { seq: number }) => {
      const copy = change.copies.find(({ recipientId }) => recipientId === bob)
      if (copy) frames.push({ event, payload: JSON.parse(messageEvents(dialect, change, more)(copy)) })
    }
    const bus: EventBus = chat.events
    bus.on('message_sent', (change) => keep('new_message', change))
    bus.on('message_edited', (change) => keep('edit_message', change, { seq: change.editSeq }))
    bus.on('message_deleted', ({ groupId, seq }) =>
      frames.push({ event: 'delete_message', payload: deletionView(groupId, seq) }),
    )
    const [first, second] = [await send('first'), await send('second')]
    await send('third')
    frames.length = 0
    await send('fourth')
    await edit(first, 'changed')
    await remove(second)
    const missed = await changes(bob, 3)
    if (!missed || missed.changes === 'too_many') throw new Error('They cannot be read.')
    expect(missed.changes.map((change) => changeEventView(dialect, group, change))).toEqual(frames)
  })

  it('are replaced by too_many above the limit', async () => {
    const groupId = await send('one')
    for (const text of ['two', 'three']) await send(text)
    await edit(groupId, 'first')
    expect(await brief(bob, 0, 4)).toHaveLength(4)
    expect(await brief(bob, 0, 3)).toBe('too_many')
    expect(await brief(bob, 1, 3)).toHaveLength(3)
    expect((await changes(bob, 0, 3))?.lastSeq).toBe(4)
    await remove(groupId)
    expect(await brief(bob, 0, 3)).toHaveLength(3)
    expect(await brief(bob, 4, 0)).toBe('too_many')
    expect(await brief(bob, 5, 0)).toEqual([])
  })

  it('are replaced by too_many when their contents are too large', async () => {
    const long = 'x'.repeat(65_536)
    await Promise.all(Array.from({ length: 17 }, () => send(long)))
    expect((await brief(bob, 1))?.length).toBe(16)
    expect(await brief(bob, 0)).toBe('too_many')
    expect(await changes(bob, 17)).toMatchObject({ lastSeq: 17, changes: [] })
  })

  it('are returned only to members', async () => {
    await send('secret')
    expect(await changes(cid)).toBeUndefined()
    await chat.conversations.leave(group, bob)
    expect(await changes(bob)).toBeUndefined()
  })

  it('exclude changes from before the reader was added, and include later edits of older messages', async () => {
    const [old, older] = [await send('old'), await send('older')]
    await edit(older, 'older, edited')
    const { lastSeq } = await chat.conversations.addMembers(group, ann, { newMembers: [cid] })
    expect(lastSeq).toBe(3)
    await send('new', [ann, bob, cid])
    await edit(old, 'old, for all', [ann, bob, cid])
    expect(await changes(cid)).toMatchObject({ lastSeq: 5, joinedSeq: 3 })
    expect(await brief(cid)).toEqual(['sent 4 new', 'edited 5 old, for all of 1'])
    await chat.conversations.leave(group, cid)
    await send('while away')
    await chat.conversations.addMembers(group, ann, { newMembers: [cid] })
    expect(await changes(cid)).toEqual({ lastSeq: 7, joinedSeq: 7, changes: [] })
  })

  it('count the shared ciphertexts towards their size', async () => {
    const shared = 'x'.repeat(65_536)
    for (let n = 0; n < 15; n++)
      await chat.messages.send(group, ann, contentsFor([ann, bob], 'y'), { shared })
    expect(await brief(bob)).toHaveLength(15)
    await chat.messages.send(group, ann, contentsFor([ann, bob], 'y'), { shared })
    expect(await brief(bob)).toBe('too_many')
    expect(await brief(bob, 1)).toHaveLength(15)
  })

  it("contain only the reader's copies", async () => {
    await chat.messages.send(
      group,
      ann,
      new Map([
        [ann, 'for Ann'],
        [bob, 'for Bob'],
      ]),
    )
    expect(await brief(ann)).toEqual(['sent 1 for Ann'])
    expect(await brief(bob)).toEqual(['sent 1 for Bob'])
  })
})

describe('the positions of users', () => {
  it('are the latest seq and the joined seq of each of their conversations', async () => {
    await send('one')
    await chat.conversations.addMembers(group, ann, { newMembers: [cid] })
    await send('two', [ann, bob, cid])
    const other = await chat.conversations.startPrivate(ann, { otherUserId: cid, ...keysNamed('ann') })
    expect(other.lastSeq).toBe(0)
    const found = await positionsOf(db, [bob, cid])
    expect(found).toHaveLength(3)
    expect(found).toEqual(
      expect.arrayContaining([
        { userId: bob, conversationId: group, lastSeq: 2, joinedSeq: 0 },
        { userId: cid, conversationId: group, lastSeq: 2, joinedSeq: 1 },
        { userId: cid, conversationId: other.conversation.id, lastSeq: 0, joinedSeq: 0 },
      ]),
    )
    expect(await positionsOf(db, [])).toEqual([])
  })
})
