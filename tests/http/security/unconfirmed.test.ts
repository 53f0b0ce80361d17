import { describe, expect, it } from 'vitest'
import { type SignedIn, startApi, type TestApi } from '../../support/api.ts'
import { setUpDatabase } from '../../support/set-up-database.ts'

const db = setUpDatabase()

const UNCONFIRMED = { code: 'email_unconfirmed' }
const KEYS = { publicKey: { kty: 'RSA' }, privateKey: { kty: 'RSA' } }

/** A site for the public with a confirmed user, Ann, and one who is not, Eve. */
async function setUp(unconfirmed: 'full' | 'limited') {
  const api = await startApi(db, { unconfirmed })
  const [ann, eve] = [await api.register('ann'), await api.register('eve')]
  await db.rows('update users set email_confirmed_at = now() where id = $1', [ann.user.id])
  return { api, ann, eve }
}

function makeRoom(api: TestApi, { auth_token: token }: SignedIn, user_ids: string[] = []) {
  return api.send('POST /api/v1/chat/room-list/', { token, body: { room_name: 'Garden club', user_ids } })
}

describe('an account whose email is not confirmed', () => {
  it('is not restricted by default', async () => {
    const { api, ann, eve } = await setUp('full')
    expect(await api.startConversation(eve, ann)).toEqual(expect.any(String))
    expect((await makeRoom(api, eve, [ann.user.id])).statusCode).toBe(201)
  })

  it('can sign in and is found by its address with UNCONFIRMED=limited', async () => {
    const { api, ann } = await setUp('limited')
    expect((await api.login('eve')).statusCode).toBe(200)
    const found = await api.send('GET /api/users?search=eve@example.com', { token: ann.auth_token })
    expect(found.json().items).toMatchObject([{ email: 'eve@example.com' }])
  })

  it('cannot start conversations with non-contacts with UNCONFIRMED=limited', async () => {
    const { api, ann, eve } = await setUp('limited')
    const { conversations } = api.services
    const userIds = [ann.user.id]
    await expect(api.startConversation(eve, ann)).rejects.toMatchObject(UNCONFIRMED)
    await expect(conversations.startGroup(eve.user.id, { userIds, ...KEYS })).rejects.toMatchObject(
      UNCONFIRMED,
    )
    const own = await conversations.startGroup(eve.user.id, { userIds: [], ...KEYS })
    await expect(
      conversations.addMembers(own.conversation.id, eve.user.id, { newMembers: userIds }),
    ).rejects.toMatchObject(UNCONFIRMED)
    expect(await db.rows('select 1 from conversations', [])).toHaveLength(1)

    await conversations.startGroup(ann.user.id, { userIds: [eve.user.id], ...KEYS })
    expect(await api.startConversation(eve, ann)).toEqual(expect.any(String))
    await conversations.addMembers(own.conversation.id, eve.user.id, { newMembers: userIds })
  })

  it('cannot create rooms or upload files with UNCONFIRMED=limited until it is confirmed', async () => {
    const { api, ann, eve } = await setUp('limited')
    const refused = await makeRoom(api, eve)
    expect([refused.statusCode, refused.json().error.code]).toEqual([409, 'email_unconfirmed'])
    const room = (await makeRoom(api, ann, [eve.user.id])).json()
    const file = { roomId: room.id, ownerId: eve.user.id }
    const upload = () => api.services.media.receive([Buffer.from('<svg/>')], file)
    await expect(upload()).rejects.toMatchObject(UNCONFIRMED)
    const bob = await api.register('bob')
    const adding = await api.send(`POST /api/v1/chat/rooms/${room.id}/users/`, {
      token: eve.auth_token,
      body: { user_ids: [bob.user.id] },
    })
    expect(adding.json().error.code).toBe('email_unconfirmed')

    await api.send('POST /auth/confirm', { body: { token: await api.tokenOfEmail('eve@example.com') } })
    await expect(upload()).rejects.not.toMatchObject(UNCONFIRMED)
    const body = { room_name: 'Book club', user_ids: [bob.user.id] }
    const made = await api.send('POST /api/v1/chat/room-list/', { token: eve.auth_token, body })
    expect(made.statusCode).toBe(201)
  })
})
