import { v7 as newId } from 'uuid'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Database } from '../../src/db/database.ts'
import {
  addPeople,
  type Chat,
  contentsFor,
  keysNamed,
  openChat,
  ruleBroken,
  startGroup,
} from '../support/chat-services.ts'
import { openTestDatabase, truncateAll } from '../support/database.ts'

let db: Database
let chat: Chat
let ann: string
let bob: string
let cid: string
let dee: string

beforeAll(async () => {
  db = await openTestDatabase()
})
afterAll(() => db.close())
beforeEach(async () => {
  await truncateAll(db)
  chat = await openChat(db)
  ;[ann, bob, cid, dee] = await addPeople(db, 'ann', 'bob', 'cid', 'dee')
})

const NOT_UUIDS = ['', 'undefined', '123', `${newId()}x`, '\0', `{${newId()}}`]

async function conversationCount(): Promise<number> {
  return (await db.rows('select id from conversations', [])).length
}

async function membersVersion(id: string): Promise<number> {
  const rows = await db.rows<{ version: number }>(
    'select members_version as version from conversations where id = $1',
    [id],
  )
  return rows[0]?.version ?? Number.NaN
}

async function memberIds(id: string): Promise<string[]> {
  return (await chat.conversations.open(id, ann)).users.map((user) => user.id)
}

describe('starting a group', () => {
  const start = (userIds: string[], alias?: string | null) =>
    chat.conversations.startGroup(ann, { userIds, alias, ...keysNamed('ann') })

  it('makes its creator and the others members', async () => {
    const { conversation, memberIds } = await start([bob, cid], 'Friends')
    expect(conversation).toEqual({
      id: conversation.id,
      private: false,
      alias: 'Friends',
      insertedAt: expect.any(Date),
      updatedAt: conversation.insertedAt,
    })
    expect(memberIds.toSorted()).toEqual([ann, bob, cid].toSorted())
    for (const userId of [ann, bob, cid]) {
      expect((await chat.conversations.open(conversation.id, userId)).conversation).toEqual(conversation)
    }
  })

  it('takes a list that repeats ids, names the creator, or writes ids in capitals', async () => {
    const { memberIds } = await start([bob, bob, ann, bob.toUpperCase()])
    expect(memberIds.toSorted()).toEqual([ann, bob].toSorted())
  })

  it('takes an empty list: a group of one', async () => {
    expect((await start([])).memberIds).toEqual([ann])
  })

  it.each([
    [undefined, null],
    [null, null],
    ['', null],
    [' ', ' '],
    ['😀'.repeat(100), '😀'.repeat(100)],
  ])('with the alias %o names it %o', async (alias, stored) => {
    expect((await start([bob], alias)).conversation.alias).toBe(stored)
  })

  it.each(['x'.repeat(101), 'a\0b', 'half \ud83d'])('refuses the alias %j', async (alias) => {
    expect(await ruleBroken(start([bob], alias))).toBe('validation_failed')
    expect(await conversationCount()).toBe(0)
  })

  it('refuses an unknown user', async () => {
    expect(await ruleBroken(start([bob, newId()]))).toBe('users_not_found')
    expect(await conversationCount()).toBe(0)
  })

  it.each(NOT_UUIDS)('refuses %j for a user', async (text) => {
    expect(await ruleBroken(start([bob, text]))).toBe('users_not_found')
  })

  it('takes 500 members and refuses more', async () => {
    const crowd = await addCrowd(500)
    expect(await ruleBroken(start(crowd))).toBe('too_many_members')
    expect((await start(crowd.slice(1))).memberIds).toHaveLength(500)
  })

  it('refuses a key that is too large', async () => {
    const large = { publicKey: { n: 'x'.repeat(16_384) }, privateKey: {} }
    const started = chat.conversations.startGroup(ann, { userIds: [bob], ...large })
    await expect(started).rejects.toMatchObject({
      code: 'validation_failed',
      fields: { public_key: [expect.any(String)] },
    })
    expect(await conversationCount()).toBe(0)
  })
})

describe('starting a private conversation', () => {
  const start = (userId: string, otherUserId: string) =>
    chat.conversations.startPrivate(userId, { otherUserId, ...keysNamed('ann') })

  it('makes the two its members', async () => {
    const { conversation, memberIds } = await start(ann, bob.toUpperCase())
    expect(conversation).toMatchObject({ private: true, alias: null })
    expect(memberIds).toEqual([ann, bob])
    expect(await chat.conversations.findPrivate(bob, ann)).toBe(conversation.id)
  })

  it('refuses oneself', async () => {
    expect(await ruleBroken(start(ann, ann))).toBe('incorrect_num_users')
    expect(await ruleBroken(start(ann, ann.toUpperCase()))).toBe('incorrect_num_users')
  })

  it('refuses an unknown user, and what is no user id', async () => {
    expect(await ruleBroken(start(ann, newId()))).toBe('users_not_found')
    for (const text of NOT_UUIDS) expect(await ruleBroken(start(ann, text))).toBe('users_not_found')
    expect(await conversationCount()).toBe(0)
  })

  it('refuses a second one of the same two, whoever starts it', async () => {
    await start(ann, bob)
    expect(await ruleBroken(start(ann, bob))).toBe('conversation_already_exists')
    expect(await ruleBroken(start(bob, ann))).toBe('conversation_already_exists')
    expect(await ruleBroken(start(ann, cid))).toBe('kept')
  })

  it('makes exactly one when both start it many times at once', async () => {
    const starts = Array.from({ length: 20 }, (_, n) => ruleBroken(n % 2 ? start(ann, bob) : start(bob, ann)))
    const outcomes = await Promise.all(starts)
    expect(outcomes.filter((outcome) => outcome === 'kept')).toHaveLength(1)
    expect(outcomes.filter((outcome) => outcome === 'conversation_already_exists')).toHaveLength(19)
    expect(await conversationCount()).toBe(1)
  })
})

describe('opening a conversation', () => {
  it('shows its members, when they read, and the keys that are set', async () => {
    const id = await startGroup(chat, [ann, bob])
    await chat.conversations.setKeys(id, bob, keysNamed('bob'))
    await chat.conversations.markRead(id, bob)
    const details = await chat.conversations.open(id, bob)
    expect(details.users).toEqual([
      { id: ann, email: 'ann@example.com', displayName: 'ann@example.com' },
      { id: bob, email: 'bob@example.com', displayName: 'bob@example.com' },
    ])
    expect(details.readTimes).toEqual(
      new Map([
        [ann, null],
        [bob, expect.any(Date)],
      ]),
    )
    expect(details.publicKeys).toEqual(
      new Map([
        [ann, keysNamed('creator').publicKey],
        [bob, keysNamed('bob').publicKey],
      ]),
    )
    expect(details.privateKey).toEqual(keysNamed('bob').privateKey)
  })

  it('shows no keys that are not set', async () => {
    const id = await startGroup(chat, [ann, bob])
    const { publicKeys, privateKey } = await chat.conversations.open(id, bob)
    expect([...publicKeys.keys()]).toEqual([ann])
    expect(privateKey).toBeNull()
  })

  it('takes an id in capitals', async () => {
    const id = await startGroup(chat, [ann])
    expect((await chat.conversations.open(id.toUpperCase(), ann)).conversation.id).toBe(id)
  })

  it('is for members only', async () => {
    const id = await startGroup(chat, [ann, bob])
    for (const odd of [newId(), ...NOT_UUIDS]) {
      expect(await ruleBroken(chat.conversations.open(odd, ann))).toBe('no_conversation')
    }
    expect(await ruleBroken(chat.conversations.open(id, cid))).toBe('no_conversation')
    expect(await chat.conversations.isMember(id, bob)).toBe(true)
    expect(await chat.conversations.isMember(id, cid)).toBe(false)
    expect(await chat.conversations.isMember('undefined', ann)).toBe(false)
  })
})

describe('the conversations of a user', () => {
  it('are listed newest first, with everyone in them but the user', async () => {
    const first = await startGroup(chat, [ann, bob])
    const { conversation: second } = await chat.conversations.startPrivate(cid, {
      otherUserId: ann,
      ...keysNamed('cid'),
    })
    const third = await startGroup(chat, [bob, ann])
    await startGroup(chat, [bob, dee])
    const { conversations, users } = await chat.conversations.listOf(ann)
    expect(conversations.map(({ id }) => id)).toEqual([third, second.id, first])
    expect(users.map(({ id }) => id)).toEqual([bob, cid])
  })

  it('may be none', async () => {
    expect(await chat.conversations.listOf(ann)).toEqual({ conversations: [], users: [] })
  })

  it('has no private one to find with somebody else, with nobody, or with what is no user id', async () => {
    await startGroup(chat, [ann, bob])
    for (const other of [bob, ann, newId(), ...NOT_UUIDS]) {
      expect(await chat.conversations.findPrivate(ann, other)).toBeNull()
    }
  })

  it('has a private one to find by an id in capitals', async () => {
    const { conversation } = await chat.conversations.startPrivate(ann, {
      otherUserId: bob,
      ...keysNamed('ann'),
    })
    expect(await chat.conversations.findPrivate(ann, bob.toUpperCase())).toBe(conversation.id)
  })
})

describe('renaming', () => {
  it('names a group, and takes the name away', async () => {
    const id = await startGroup(chat, [ann, bob])
    const named = await chat.conversations.rename(id, bob, 'Friends')
    expect(named).toMatchObject({ id, alias: 'Friends' })
    expect((await chat.conversations.open(id, ann)).conversation).toEqual(named)
    expect(await chat.conversations.rename(id, bob, '')).toMatchObject({ alias: null })
    await chat.conversations.rename(id, bob, 'Friends')
    expect(await chat.conversations.rename(id, bob, null)).toMatchObject({ alias: null })
  })

  it('refuses strangers, private conversations and long names', async () => {
    const id = await startGroup(chat, [ann, bob])
    const { conversation } = await chat.conversations.startPrivate(ann, {
      otherUserId: bob,
      ...keysNamed('ann'),
    })
    const { rename } = bound(chat)
    expect(await ruleBroken(rename(id, cid, 'Mine'))).toBe('no_conversation')
    expect(await ruleBroken(rename('undefined', ann, 'Mine'))).toBe('no_conversation')
    expect(await ruleBroken(rename(conversation.id, ann, 'Us'))).toBe('private_conversation')
    expect(await ruleBroken(rename(conversation.id, cid, 'Us'))).toBe('no_conversation')
    expect(await ruleBroken(rename(id, ann, 'x'.repeat(101)))).toBe('validation_failed')
  })
})

describe('adding members', () => {
  it('lets them in', async () => {
    const id = await startGroup(chat, [ann, bob])
    const { conversation, memberIds } = await chat.conversations.addMembers(id, bob, {
      newMembers: [cid, dee],
    })
    expect(conversation.id).toBe(id)
    expect(memberIds.toSorted()).toEqual([ann, bob, cid, dee].toSorted())
    expect(await chat.conversations.isMember(id, dee)).toBe(true)
    expect(await membersVersion(id)).toBe(1)
  })

  it('passes over repeated ids and those who are in already', async () => {
    const id = await startGroup(chat, [ann, bob])
    const added = await chat.conversations.addMembers(id, ann, {
      newMembers: [bob, cid, cid.toUpperCase(), ann],
    })
    expect(added.memberIds.toSorted()).toEqual([ann, bob, cid].toSorted())
    await chat.conversations.addMembers(id, ann, { newMembers: [bob, cid] })
    await chat.conversations.addMembers(id, ann, { newMembers: [] })
    expect(await membersVersion(id)).toBe(1)
  })

  it('leaves the alias when it is absent, and clears it by an empty one or null', async () => {
    const id = await startGroup(chat, [ann, bob])
    const modify = async (change: { alias?: string | null }) =>
      (await chat.conversations.addMembers(id, ann, { newMembers: [cid], ...change })).conversation.alias
    expect(await modify({ alias: 'Friends' })).toBe('Friends')
    expect(await modify({})).toBe('Friends')
    expect(await modify({ alias: '' })).toBeNull()
    await modify({ alias: 'Friends' })
    expect(await modify({ alias: null })).toBeNull()
  })

  it('refuses strangers, private conversations and unknown users', async () => {
    const id = await startGroup(chat, [ann, bob])
    const { conversation } = await chat.conversations.startPrivate(ann, {
      otherUserId: bob,
      ...keysNamed('ann'),
    })
    const add = (to: string, by: string, newMember: string) =>
      ruleBroken(chat.conversations.addMembers(to, by, { newMembers: [newMember], alias: 'Mine' }))
    expect(await add(id, cid, cid)).toBe('no_conversation')
    expect(await add('undefined', ann, cid)).toBe('no_conversation')
    expect(await add(conversation.id, ann, cid)).toBe('private_conversation')
    expect(await add(id, ann, newId())).toBe('users_not_found')
    for (const text of NOT_UUIDS) expect(await add(id, ann, text)).toBe('users_not_found')
    expect((await chat.conversations.open(id, ann)).conversation.alias).toBeNull()
    expect(await memberIds(id)).toEqual([ann, bob])
  })

  it('stops at 500', async () => {
    const id = await startGroup(chat, [ann, ...(await addCrowd(498))])
    const add = (...newMembers: string[]) =>
      ruleBroken(chat.conversations.addMembers(id, ann, { newMembers }))
    expect(await add(bob, cid)).toBe('too_many_members')
    expect(await add(bob)).toBe('kept')
    expect(await add(bob, ann)).toBe('kept')
    expect(await add(cid)).toBe('too_many_members')
  })
})

describe('leaving', () => {
  it('takes the member out, in the order of the conversation, and tells it', async () => {
    const id = await startGroup(chat, [ann, bob])
    await chat.messages.send(id, ann, contentsFor([ann, bob], 'hello'))
    await chat.conversations.leave(id, bob)
    expect(await memberIds(id)).toEqual([ann])
    expect(chat.told.at(-1)).toEqual({
      name: 'member_left',
      conversationId: id,
      userId: bob,
      seq: 2,
      memberIds: [ann, bob],
    })
    expect(await membersVersion(id)).toBe(1)
  })

  it('is refused to strangers, twice, and in a private conversation', async () => {
    const id = await startGroup(chat, [ann, bob])
    const { conversation } = await chat.conversations.startPrivate(ann, {
      otherUserId: bob,
      ...keysNamed('ann'),
    })
    const { leave } = bound(chat)
    expect(await ruleBroken(leave(id, cid))).toBe('no_conversation')
    expect(await ruleBroken(leave('undefined', ann))).toBe('no_conversation')
    expect(await ruleBroken(leave(conversation.id, ann))).toBe('private_conversation')
    expect(await ruleBroken(leave(id, bob))).toBe('kept')
    expect(await ruleBroken(leave(id, bob))).toBe('no_conversation')
  })

  it('deletes the conversation with the last one', async () => {
    const id = await startGroup(chat, [ann, bob])
    await chat.messages.send(id, ann, contentsFor([ann, bob], 'hello'))
    await chat.conversations.leave(id, ann)
    await chat.conversations.leave(id, bob)
    expect(chat.told.at(-1)).toMatchObject({ name: 'member_left', seq: 3, memberIds: [bob] })
    for (const table of ['conversations', 'members', 'encryption_keys', 'message_groups', 'messages']) {
      expect(await db.rows(`select 1 as row from ${table}`, []), table).toEqual([])
    }
  })

  it('keeps the keys, for when the member is added again', async () => {
    const id = await startGroup(chat, [ann, bob])
    await chat.conversations.setKeys(id, bob, keysNamed('bob'))
    await chat.conversations.leave(id, bob)
    expect([...(await chat.conversations.open(id, ann)).publicKeys.keys()]).toEqual([ann])
    await chat.conversations.addMembers(id, ann, { newMembers: [bob] })
    expect((await chat.conversations.open(id, bob)).privateKey).toEqual(keysNamed('bob').privateKey)
  })
})

describe('reading', () => {
  async function readState(id: string, userId: string) {
    const [row] = await db.rows<{ seq: number; at: number | null }>(
      `select read_seq::float8 as seq, extract(epoch from last_read)::float8 as at
      from members where conversation_id = $1 and user_id = $2`,
      [id, userId],
    )
    return row
  }

  it('is recorded up to the latest change, and never goes back', async () => {
    const id = await startGroup(chat, [ann, bob])
    expect(await readState(id, bob)).toEqual({ seq: 0, at: null })
    await chat.messages.send(id, ann, contentsFor([ann, bob], 'hello'))
    await chat.conversations.markRead(id, bob)
    const first = await readState(id, bob)
    expect(first).toEqual({ seq: 1, at: expect.any(Number) })
    await db.rows(`update members set last_read = now() + interval '1 hour', read_seq = 7`, [])
    const later = await readState(id, bob)
    await chat.conversations.markRead(id, bob)
    expect(await readState(id, bob)).toEqual(later)
  })

  it('is recorded up to a place, not beyond the latest change, and never goes back', async () => {
    const id = await startGroup(chat, [ann, bob])
    for (const text of ['one', 'two', 'three']) {
      await chat.messages.send(id, ann, contentsFor([ann, bob], text))
    }
    const places: number[] = []
    for (const seq of [2, 1, 0, 99, 3, undefined])
      places.push(await chat.conversations.markRead(id, bob, seq))
    expect(places).toEqual([2, 2, 2, 3, 3, 3])
    expect(await readState(id, ann)).toEqual({ seq: 0, at: null })
  })

  it('leaves what others sent since as unread, unless it was deleted', async () => {
    const id = await startGroup(chat, [ann, bob])
    const send = (from: string, to = [ann, bob]) => chat.messages.send(id, from, contentsFor(to, 'x'))
    const reading = async (userId: string) => {
      const [listed] = (await chat.conversations.listOf(userId)).conversations
      const details = await chat.conversations.open(id, userId)
      expect([details.lastSeq, details.readSeqs.get(userId), details.unread]).toEqual([
        listed?.lastSeq,
        listed?.readSeq,
        listed?.unread,
      ])
      return listed && [listed.lastSeq, listed.readSeq, listed.unread]
    }
    const first = await send(ann)
    await send(ann)
    await send(bob)
    expect(await reading(bob)).toEqual([3, 0, 2])
    expect(await reading(ann)).toEqual([3, 0, 1])
    await chat.messages.delete(id, ann, first.groupId)
    expect(await reading(bob)).toEqual([4, 0, 1])
    await chat.conversations.markRead(id, bob, 2)
    expect(await reading(bob)).toEqual([4, 2, 0])
    await chat.conversations.addMembers(id, ann, { newMembers: [cid] })
    expect(await reading(cid)).toEqual([4, 4, 0])
    await send(ann, [ann, bob, cid])
    expect(await reading(cid)).toEqual([5, 4, 1])
    expect(await reading(bob)).toEqual([5, 2, 1])
  })

  it('counts no more than a thousand', async () => {
    const id = await startGroup(chat, [ann, bob])
    const send = (from: string) => chat.messages.send(id, from, contentsFor([ann, bob], 'x'))
    await Promise.all(Array.from({ length: 1_005 }, () => send(ann)))
    expect((await chat.conversations.open(id, bob)).unread).toBe(1_000)
    await Promise.all(Array.from({ length: 10 }, () => send(bob)))
    expect((await chat.conversations.open(id, bob)).unread).toBe(990)
  })

  it('is for members only', async () => {
    const id = await startGroup(chat, [ann, bob])
    expect(await ruleBroken(chat.conversations.markRead(id, cid))).toBe('no_conversation')
    expect(await ruleBroken(chat.conversations.markRead('undefined', ann))).toBe('no_conversation')
  })
})

describe('encryption keys', () => {
  it('come back as they were sent, with their fields in order', async () => {
    const id = await startGroup(chat, [ann, bob])
    const jwk = JSON.parse(
      '{"z": [1, {"b": null}], "a": "\\ud800 \\u0000", "__proto__": {"x": true}, "n": 1e400}',
    )
    await chat.conversations.setKeys(id, bob, { publicKey: jwk, privateKey: {} })
    const { publicKeys, privateKey } = await chat.conversations.open(id, bob)
    expect(JSON.stringify(publicKeys.get(bob))).toBe(JSON.stringify(jwk))
    expect(privateKey).toEqual({})
  })

  it('are set once', async () => {
    const id = await startGroup(chat, [ann, bob])
    const { setKeys } = bound(chat)
    expect(await ruleBroken(setKeys(id, ann, keysNamed('other')))).toBe('keys_already_set')
    expect(await ruleBroken(setKeys(id, bob, keysNamed('bob')))).toBe('kept')
    expect(await ruleBroken(setKeys(id, bob, keysNamed('other')))).toBe('keys_already_set')
    expect((await chat.conversations.open(id, bob)).privateKey).toEqual(keysNamed('bob').privateKey)
  })

  it('are set by members only, and not too large', async () => {
    const id = await startGroup(chat, [ann, bob])
    const { setKeys } = bound(chat)
    expect(await ruleBroken(setKeys(id, cid, keysNamed('cid')))).toBe('no_conversation')
    expect(await ruleBroken(setKeys('undefined', ann, keysNamed('ann')))).toBe('no_conversation')
    const large = { publicKey: {}, privateKey: { d: 'ü'.repeat(8_192) } }
    expect(await ruleBroken(setKeys(id, bob, large))).toBe('validation_failed')
  })

  it('lie sealed in the database', async () => {
    await startGroup(chat, [ann, bob])
    const [row] = await db.rows<{ bytes: Uint8Array }>('select private_key as bytes from encryption_keys', [])
    expect(Buffer.from(row?.bytes ?? []).toString('latin1')).not.toContain('secret')
  })
})

function bound({ conversations }: Chat) {
  return {
    rename: conversations.rename.bind(conversations),
    leave: conversations.leave.bind(conversations),
    setKeys: conversations.setKeys.bind(conversations),
  }
}

/** Many users, without the time it takes to add them one by one. */
async function addCrowd(size: number): Promise<string[]> {
  const ids = Array.from({ length: size }, () => newId())
  await db.rows(
    `insert into users (id, short_id, email, username, display_name) select id, id, id, id, id
    from unnest($1::uuid[]) as t (id)`,
    [ids],
  )
  return ids
}
