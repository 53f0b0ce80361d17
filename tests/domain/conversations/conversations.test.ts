import { v7 as newId } from 'uuid'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import {
  addPeople,
  type Chat,
  contentsFor,
  keysNamed,
  openChat,
  resultOf,
  startGroup,
} from '../../support/chat-services.ts'
import { setUpEmptyDatabase } from '../../support/set-up-database.ts'

const db = setUpEmptyDatabase()
let chat: Chat
let ann: string
let bob: string
let cid: string
let dee: string

beforeEach(async () => {
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

  it('adds the creator and the named users as members', async () => {
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

  it('accepts repeated ids, the id of the creator, and ids in upper case', async () => {
    const { memberIds } = await start([bob, bob, ann, bob.toUpperCase()])
    expect(memberIds.toSorted()).toEqual([ann, bob].toSorted())
  })

  it('accepts an empty list', async () => {
    expect((await start([])).memberIds).toEqual([ann])
  })

  it.each([
    [undefined, null],
    [null, null],
    ['', null],
    [' ', ' '],
    ['😀'.repeat(100), '😀'.repeat(100)],
  ])('stores the alias %o as %o', async (alias, stored) => {
    expect((await start([bob], alias)).conversation.alias).toBe(stored)
  })

  it.each(['x'.repeat(101), 'a\0b', 'half \ud83d'])('rejects the alias %j', async (alias) => {
    expect(await resultOf(start([bob], alias))).toBe('validation_failed')
    expect(await conversationCount()).toBe(0)
  })

  it('rejects an unknown user', async () => {
    expect(await resultOf(start([bob, newId()]))).toBe('users_not_found')
    expect(await conversationCount()).toBe(0)
  })

  it.each(NOT_UUIDS)('rejects %j as a user id', async (text) => {
    expect(await resultOf(start([bob, text]))).toBe('users_not_found')
  })

  it('accepts 500 members and rejects more', async () => {
    const crowd = await addCrowd(500)
    expect(await resultOf(start(crowd))).toBe('too_many_members')
    expect((await start(crowd.slice(1))).memberIds).toHaveLength(500)
  })

  it('rejects a key that is too large', async () => {
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

  it('adds both users as members', async () => {
    const { conversation, memberIds } = await start(ann, bob.toUpperCase())
    expect(conversation).toMatchObject({ private: true, alias: null })
    expect(memberIds).toEqual([ann, bob])
    expect(await chat.conversations.findPrivate(bob, ann)).toBe(conversation.id)
  })

  it('rejects the creator as the other user', async () => {
    expect(await resultOf(start(ann, ann))).toBe('incorrect_num_users')
    expect(await resultOf(start(ann, ann.toUpperCase()))).toBe('incorrect_num_users')
  })

  it('rejects an unknown user and an invalid user id', async () => {
    expect(await resultOf(start(ann, newId()))).toBe('users_not_found')
    for (const text of NOT_UUIDS) expect(await resultOf(start(ann, text))).toBe('users_not_found')
    expect(await conversationCount()).toBe(0)
  })

  it('rejects a second one between the same two users, whoever starts it', async () => {
    await start(ann, bob)
    expect(await resultOf(start(ann, bob))).toBe('conversation_already_exists')
    expect(await resultOf(start(bob, ann))).toBe('conversation_already_exists')
    expect(await resultOf(start(ann, cid))).toBe('ok')
  })

  it('creates exactly one when both users start it concurrently', async () => {
    const starts = Array.from({ length: 20 }, (_, n) => resultOf(n % 2 ? start(ann, bob) : start(bob, ann)))
    const outcomes = await Promise.all(starts)
    expect(outcomes.filter((outcome) => outcome === 'ok')).toHaveLength(1)
    expect(outcomes.filter((outcome) => outcome === 'conversation_already_exists')).toHaveLength(19)
    expect(await conversationCount()).toBe(1)
  })
})

describe('opening a conversation', () => {
  it('returns its members, their read positions and their keys', async () => {
    const id = await startGroup(chat, [ann, bob])
    await chat.conversations.setKeys(id, bob, keysNamed('bob'))
    await chat.conversations.markRead(id, bob)
    const details = await chat.conversations.open(id, bob)
    expect(details.users).toEqual([
      { id: ann, email: 'ann@example.com', displayName: 'ann@example.com', confirmed: false },
      { id: bob, email: 'bob@example.com', displayName: 'bob@example.com', confirmed: false },
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

  it('omits keys that are not set', async () => {
    const id = await startGroup(chat, [ann, bob])
    const { publicKeys, privateKey } = await chat.conversations.open(id, bob)
    expect([...publicKeys.keys()]).toEqual([ann])
    expect(privateKey).toBeNull()
  })

  it('accepts an id in upper case', async () => {
    const id = await startGroup(chat, [ann])
    expect((await chat.conversations.open(id.toUpperCase(), ann)).conversation.id).toBe(id)
  })

  it('rejects users who are not members', async () => {
    const id = await startGroup(chat, [ann, bob])
    for (const odd of [newId(), ...NOT_UUIDS]) {
      expect(await resultOf(chat.conversations.open(odd, ann))).toBe('no_conversation')
    }
    expect(await resultOf(chat.conversations.open(id, cid))).toBe('no_conversation')
    expect(await chat.conversations.find(id, bob)).toBeDefined()
    expect(await chat.conversations.find(id, cid)).toBeUndefined()
  })
})

describe('the permission to add a user', () => {
  const allow = (userId: string, who: string) =>
    db.rows('update profiles set who_can_add = $2 where user_id = $1', [userId, who])
  const group = (creator: string, ...userIds: string[]) =>
    resultOf(chat.conversations.startGroup(creator, { userIds, ...keysNamed('x') }))
  const priv = (creator: string, otherUserId: string) =>
    resultOf(chat.conversations.startPrivate(creator, { otherUserId, ...keysNamed('x') }))

  it('is granted to everyone by default, and follows the setting of the user', async () => {
    expect(await group(ann, bob)).toBe('ok')
    await allow(bob, 'contacts')
    expect([await group(cid, bob), await priv(cid, bob)]).toEqual([
      'not_allowed_to_add',
      'not_allowed_to_add',
    ])
    expect([await group(ann, bob), await priv(ann, bob)]).toEqual(['ok', 'ok'])
    await allow(bob, 'nobody')
    expect([await group(cid, bob), await group(ann, bob)]).toEqual([
      'not_allowed_to_add',
      'not_allowed_to_add',
    ])
    expect(await priv(ann, bob)).toBe('conversation_already_exists')
  })

  it('is also checked when members are added, but not for existing members', async () => {
    const id = await startGroup(chat, [ann, bob])
    for (const refusing of [bob, cid, dee]) await allow(refusing, 'nobody')
    const add = (...newMembers: string[]) =>
      resultOf(chat.conversations.addMembers(id, ann, { newMembers, alias: 'Friends' }))
    expect(await add(bob, cid)).toBe('not_allowed_to_add')
    expect((await chat.conversations.open(id, ann)).conversation.alias).toBeNull()
    expect(await add(bob)).toBe('ok')
    await allow(cid, 'contacts')
    expect(await add(cid)).toBe('not_allowed_to_add')
    await startGroup(chat, [cid, ann])
    expect(await add(cid)).toBe('ok')
  })

  it('is not checked for the creator, and nothing is stored when it is missing', async () => {
    for (const refusing of [ann, bob]) await allow(refusing, 'nobody')
    const before = await conversationCount()
    expect([await group(ann), await group(ann, cid, bob)]).toEqual(['ok', 'not_allowed_to_add'])
    expect(await conversationCount()).toBe(before + 1)
  })
})

describe('the conversations of a user', () => {
  it('are listed newest first, with their other members', async () => {
    const first = await startGroup(chat, [ann, bob])
    const { conversation: second } = await chat.conversations.startPrivate(cid, {
      otherUserId: ann,
      ...keysNamed('cid'),
    })
    const third = await startGroup(chat, [bob, ann])
    await startGroup(chat, [bob, dee])
    const { items, users } = await chat.conversations.listOf(ann)
    expect(items.map(({ id }) => id)).toEqual([third, second.id, first])
    expect(users.map(({ id }) => id)).toEqual([bob, cid])
  })

  it('are an empty list for a new user', async () => {
    expect(await chat.conversations.listOf(ann)).toEqual({ items: [], pageToken: null, users: [] })
  })

  it('do not include a private one with a third user, an unknown user or an invalid id', async () => {
    await startGroup(chat, [ann, bob])
    for (const other of [bob, ann, newId(), ...NOT_UUIDS]) {
      expect(await chat.conversations.findPrivate(ann, other)).toBeNull()
    }
  })

  it('include a private one found by an id in upper case', async () => {
    const { conversation } = await chat.conversations.startPrivate(ann, {
      otherUserId: bob,
      ...keysNamed('ann'),
    })
    expect(await chat.conversations.findPrivate(ann, bob.toUpperCase())).toBe(conversation.id)
  })
})

describe('renaming', () => {
  it('sets and clears the alias of a group', async () => {
    const id = await startGroup(chat, [ann, bob])
    const named = await chat.conversations.rename(id, bob, 'Friends')
    expect(named).toMatchObject({ conversation: { id, alias: 'Friends' } })
    expect((await chat.conversations.open(id, ann)).conversation).toEqual(named.conversation)
    expect(await chat.conversations.rename(id, bob, '')).toMatchObject({ conversation: { alias: null } })
    await chat.conversations.rename(id, bob, 'Friends')
    expect(await chat.conversations.rename(id, bob, null)).toMatchObject({ conversation: { alias: null } })
  })

  it('changes nothing and emits no event when the alias is the same', async () => {
    const id = await startGroup(chat, [ann, bob])
    const aliases: (string | null)[] = []
    chat.events.on('alias_changed', (event) => aliases.push(event.conversation.alias))
    const { conversation } = await chat.conversations.rename(id, bob, 'Friends')
    await chat.conversations.rename(id, bob, 'Friends')
    expect(aliases).toEqual(['Friends'])
    expect((await chat.conversations.open(id, ann)).conversation).toEqual(conversation)
  })

  it('rejects non-members, private conversations and long aliases', async () => {
    const id = await startGroup(chat, [ann, bob])
    const { conversation } = await chat.conversations.startPrivate(ann, {
      otherUserId: bob,
      ...keysNamed('ann'),
    })
    const { rename } = bound(chat)
    expect(await resultOf(rename(id, cid, 'Mine'))).toBe('no_conversation')
    expect(await resultOf(rename('undefined', ann, 'Mine'))).toBe('no_conversation')
    expect(await resultOf(rename(conversation.id, ann, 'Us'))).toBe('private_conversation')
    expect(await resultOf(rename(conversation.id, cid, 'Us'))).toBe('no_conversation')
    expect(await resultOf(rename(id, ann, 'x'.repeat(101)))).toBe('validation_failed')
  })
})

describe('adding members', () => {
  it('gives new members access', async () => {
    const id = await startGroup(chat, [ann, bob])
    const { conversation, memberIds } = await chat.conversations.addMembers(id, bob, {
      newMembers: [cid, dee],
    })
    expect(conversation.id).toBe(id)
    expect(memberIds.toSorted()).toEqual([ann, bob, cid, dee].toSorted())
    expect(await chat.conversations.find(id, dee)).toBeDefined()
    expect(await membersVersion(id)).toBe(1)
  })

  it('ignores repeated ids and present members', async () => {
    const id = await startGroup(chat, [ann, bob])
    const added = await chat.conversations.addMembers(id, ann, {
      newMembers: [bob, cid, cid.toUpperCase(), ann],
    })
    expect(added.memberIds.toSorted()).toEqual([ann, bob, cid].toSorted())
    await chat.conversations.addMembers(id, ann, { newMembers: [bob, cid] })
    await chat.conversations.addMembers(id, ann, { newMembers: [] })
    expect(await membersVersion(id)).toBe(1)
  })

  it('keeps the alias when it is absent, and clears it when it is empty or null', async () => {
    const id = await startGroup(chat, [ann, bob])
    const modify = async (change: { alias?: string | null }) =>
      (await chat.conversations.addMembers(id, ann, { newMembers: [cid], ...change })).conversation.alias
    expect(await modify({ alias: 'Friends' })).toBe('Friends')
    expect(await modify({})).toBe('Friends')
    expect(await modify({ alias: '' })).toBeNull()
    await modify({ alias: 'Friends' })
    expect(await modify({ alias: null })).toBeNull()
  })

  it('rejects non-members, private conversations and unknown users', async () => {
    const id = await startGroup(chat, [ann, bob])
    const { conversation } = await chat.conversations.startPrivate(ann, {
      otherUserId: bob,
      ...keysNamed('ann'),
    })
    const add = (to: string, by: string, newMember: string) =>
      resultOf(chat.conversations.addMembers(to, by, { newMembers: [newMember], alias: 'Mine' }))
    expect(await add(id, cid, cid)).toBe('no_conversation')
    expect(await add('undefined', ann, cid)).toBe('no_conversation')
    expect(await add(conversation.id, ann, cid)).toBe('private_conversation')
    expect(await add(id, ann, newId())).toBe('users_not_found')
    for (const text of NOT_UUIDS) expect(await add(id, ann, text)).toBe('users_not_found')
    expect((await chat.conversations.open(id, ann)).conversation.alias).toBeNull()
    expect(await memberIds(id)).toEqual([ann, bob])
  })

  it('rejects more than 500 members', async () => {
    const id = await startGroup(chat, [ann, ...(await addCrowd(498))])
    const add = (...newMembers: string[]) => resultOf(chat.conversations.addMembers(id, ann, { newMembers }))
    expect(await add(bob, cid)).toBe('too_many_members')
    expect(await add(bob)).toBe('ok')
    expect(await add(bob, ann)).toBe('ok')
    expect(await add(cid)).toBe('too_many_members')
  })
})

describe('leaving', () => {
  it('removes the member, takes the next seq and emits an event', async () => {
    const id = await startGroup(chat, [ann, bob])
    await chat.messages.send(id, ann, contentsFor([ann, bob], 'hello'))
    await chat.conversations.leave(id, bob)
    expect(await memberIds(id)).toEqual([ann])
    expect(chat.emitted.at(-1)).toEqual({
      name: 'member_left',
      conversationId: id,
      userId: bob,
      seq: 2,
      memberIds: [ann, bob],
    })
    expect(await membersVersion(id)).toBe(1)
  })

  it('is rejected for non-members, on repetition, and in a private conversation', async () => {
    const id = await startGroup(chat, [ann, bob])
    const { conversation } = await chat.conversations.startPrivate(ann, {
      otherUserId: bob,
      ...keysNamed('ann'),
    })
    const { leave } = bound(chat)
    expect(await resultOf(leave(id, cid))).toBe('no_conversation')
    expect(await resultOf(leave('undefined', ann))).toBe('no_conversation')
    expect(await resultOf(leave(conversation.id, ann))).toBe('private_conversation')
    expect(await resultOf(leave(id, bob))).toBe('ok')
    expect(await resultOf(leave(id, bob))).toBe('no_conversation')
  })

  it('deletes the conversation when the last member leaves', async () => {
    const id = await startGroup(chat, [ann, bob])
    await chat.messages.send(id, ann, contentsFor([ann, bob], 'hello'))
    await chat.conversations.leave(id, ann)
    await chat.conversations.leave(id, bob)
    expect(chat.emitted.at(-1)).toMatchObject({ name: 'member_left', seq: 3, memberIds: [bob] })
    for (const table of ['conversations', 'members', 'encryption_keys', 'message_groups', 'copy_ranges']) {
      expect(await db.rows(`select 1 as row from ${table}`, []), table).toEqual([])
    }
  })

  it('keeps the keys of the member', async () => {
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
    return row as NonNullable<typeof row>
  }

  it('is recorded up to the latest change, and never moves back', async () => {
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

  it('is recorded up to a seq, at most the latest, and never moves back', async () => {
    const id = await startGroup(chat, [ann, bob])
    for (const text of ['one', 'two', 'three']) {
      await chat.messages.send(id, ann, contentsFor([ann, bob], text))
    }
    const places: number[] = []
    for (const seq of [2, 1, 0, 99, 3, undefined]) {
      await chat.conversations.markRead(id, bob, seq)
      places.push((await readState(id, bob)).seq)
    }
    expect(places).toEqual([2, 2, 2, 3, 3, 3])
    expect(await readState(id, ann)).toEqual({ seq: 0, at: null })
  })

  it('counts later messages of others as unread, unless they were deleted', async () => {
    const id = await startGroup(chat, [ann, bob])
    const send = (from: string, to = [ann, bob]) => chat.messages.send(id, from, contentsFor(to, 'x'))
    const reading = async (userId: string) => {
      const [listed] = (await chat.conversations.listOf(userId)).items
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

  it('counts at most a thousand unread messages', async () => {
    const id = await startGroup(chat, [ann, bob])
    const send = (from: string) => chat.messages.send(id, from, contentsFor([ann, bob], 'x'))
    await Promise.all(Array.from({ length: 1_005 }, () => send(ann)))
    expect((await chat.conversations.open(id, bob)).unread).toBe(1_000)
    await Promise.all(Array.from({ length: 10 }, () => send(bob)))
    expect((await chat.conversations.open(id, bob)).unread).toBe(990)
  })

  it('rejects users who are not members', async () => {
    const id = await startGroup(chat, [ann, bob])
    expect(await resultOf(chat.conversations.markRead(id, cid))).toBe('no_conversation')
    expect(await resultOf(chat.conversations.markRead('undefined', ann))).toBe('no_conversation')
  })
})

describe('encryption keys', () => {
  it('are returned as they were sent, with their fields in order', async () => {
    const id = await startGroup(chat, [ann, bob])
    const jwk = JSON.parse(
      '{"z": [1, {"b": null}], "a": "\\ud800 \\u0000", "__proto__": {"x": true}, "n": 1e400}',
    )
    await chat.conversations.setKeys(id, bob, { publicKey: jwk, privateKey: {} })
    const { publicKeys, privateKey } = await chat.conversations.open(id, bob)
    expect(JSON.stringify(publicKeys.get(bob))).toBe(JSON.stringify(jwk))
    expect(privateKey).toEqual({})
  })

  it('can be set only once', async () => {
    const id = await startGroup(chat, [ann, bob])
    const { setKeys } = bound(chat)
    expect(await resultOf(setKeys(id, ann, keysNamed('other')))).toBe('keys_already_set')
    expect(await resultOf(setKeys(id, bob, keysNamed('bob')))).toBe('ok')
    expect(await resultOf(setKeys(id, bob, keysNamed('other')))).toBe('keys_already_set')
    expect((await chat.conversations.open(id, bob)).privateKey).toEqual(keysNamed('bob').privateKey)
  })

  it('are rejected from non-members and when too large', async () => {
    const id = await startGroup(chat, [ann, bob])
    const { setKeys } = bound(chat)
    expect(await resultOf(setKeys(id, cid, keysNamed('cid')))).toBe('no_conversation')
    expect(await resultOf(setKeys('undefined', ann, keysNamed('ann')))).toBe('no_conversation')
    const large = { publicKey: {}, privateKey: { d: 'ü'.repeat(8_192) } }
    expect(await resultOf(setKeys(id, bob, large))).toBe('validation_failed')
  })

  it('need one decryption per reader, regardless of the number of members', async () => {
    const crowd = await addCrowd(20)
    const id = await startGroup(chat, [ann, bob, ...crowd])
    for (const member of [bob, ...crowd]) await chat.conversations.setKeys(id, member, keysNamed(member))
    const open = vi.spyOn(chat.vault, 'open')
    expect((await chat.conversations.open(id, bob)).publicKeys.size).toBe(22)
    expect(open).toHaveBeenCalledTimes(1)
  })

  it('of an older version are stored in readable form on the first read', async () => {
    const id = await startGroup(chat, [ann, bob])
    const publicKey = JSON.parse('{"z": "\\ud800 \\u0000\'", "a": [1]}')
    await chat.conversations.setKeys(id, bob, { publicKey, privateKey: {} })
    await db.rows('update encryption_keys set public_jwk = null', [])
    const before = await chat.conversations.open(id, bob)
    const open = vi.spyOn(chat.vault, 'open')
    const after = await chat.conversations.open(id, bob)
    expect(open).toHaveBeenCalledTimes(1)
    expect(JSON.stringify([...after.publicKeys])).toBe(JSON.stringify([...before.publicKeys]))
    expect(JSON.stringify(after.publicKeys.get(bob))).toBe(JSON.stringify(publicKey))
  })

  it('are also stored sealed, for an older version', async () => {
    const id = await startGroup(chat, [ann, bob])
    await db.rows('update encryption_keys set public_jwk = null', [])
    expect((await chat.conversations.open(id, bob)).publicKeys.get(ann)).toEqual(
      keysNamed('creator').publicKey,
    )
  })

  it('are stored sealed if private', async () => {
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
