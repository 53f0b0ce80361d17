import { createHash } from 'node:crypto'
import { beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import type { AccessTokenSigner } from '../../../src/domain/sessions/access-tokens.ts'
import type { Sessions } from '../../../src/domain/sessions/sessions.ts'
import { addUser, openSessions, openSigner, PHONE } from '../../support/account-services.ts'
import { ManualClock } from '../../support/clock.ts'
import { eventually } from '../../support/eventually.ts'
import { setUpEmptyDatabase } from '../../support/set-up-database.ts'

const MINUTE = 60_000
const DAY = 24 * 60 * MINUTE

const db = setUpEmptyDatabase()
let signer: AccessTokenSigner
let ann: string

beforeAll(async () => {
  signer = await openSigner()
})
beforeEach(async () => {
  ann = await addUser(db, 'ann@example.com')
})

/** One node, and Ann signed in on it. */
async function signedIn() {
  const node = openSessions(db, signer)
  onTestFinished(() => node.securityLog.stop())
  return { ...node, session: await node.sessions.open(ann, PHONE) }
}

describe('an access token', () => {
  it('identifies its user and session for 30 minutes', async () => {
    const { sessions, clock, session } = await signedIn()
    const expiresAt = clock.now() + 30 * MINUTE
    clock.advance(30 * MINUTE - 1)
    expect(sessions.verify(session.accessToken)).toEqual({
      userId: ann,
      sessionId: session.sessionId,
      expiresAt,
    })
    clock.advance(1)
    expect(() => sessions.verify(session.accessToken)).toThrow(
      expect.objectContaining({ code: 'token_expired' }),
    )
  })

  it('has only characters that need no escaping in a URL', async () => {
    const { session } = await signedIn()
    expect(session.accessToken).toMatch(/^[\w.-]+$/)
  })

  it.each([
    ['missing', undefined, 'token_missing'],
    ['empty', '', 'token_missing'],
    ['garbage', 'undefined', 'token_invalid'],
    ['NUL', '\0', 'token_invalid'],
  ])('is rejected when it is %s', (_name, token, code) => {
    const { sessions } = openSessions(db, signer)
    expect(() => sessions.verify(token)).toThrow(expect.objectContaining({ code }))
  })

  it('is rejected when it is signed with another key', async () => {
    const { sessions, session } = await signedIn()
    const [head, body] = session.accessToken.split('.')
    const forged = `${head}.${body}.${createHash('sha256').update('forged').digest('base64url')}`
    expect(() => sessions.verify(forged)).toThrow(expect.objectContaining({ code: 'token_invalid' }))
  })

  it.each([
    ['sub', { sub: 7, sid: 'a' }],
    ['sid', { sub: 'a', sid: null }],
    ['exp', { sub: 'a', sid: 'b', exp: undefined }],
  ])('with another type of %s is refused', (_claim, claims) => {
    const { sessions } = openSessions(db, signer)
    const token = signer.sign({ exp: 4_000_000_000, ...claims } as never)
    expect(() => sessions.verify(token)).toThrow(expect.objectContaining({ code: 'token_invalid' }))
  })
})

describe('a refresh token', () => {
  it('has 32 bytes, and only its SHA-256 is stored', async () => {
    const { session } = await signedIn()
    expect(session.refreshToken).toMatch(/^[\w-]{43}$/)
    const rows = await db.rows<{ hash: string }>(`select encode(hash, 'hex') as hash from refresh_tokens`, [])
    expect(rows).toEqual([{ hash: createHash('sha256').update(session.refreshToken).digest('hex') }])
  })

  it('is exchanged for new tokens of the same session', async () => {
    const { sessions, session } = await signedIn()
    const next = await sessions.refresh(session.refreshToken, PHONE)
    expect(next).toMatchObject({ userId: ann, sessionId: session.sessionId })
    expect(next.refreshToken).toMatch(/^[\w-]{43}$/)
    expect(next.refreshToken).not.toBe(session.refreshToken)
    expect(sessions.verify(next.accessToken)).toMatchObject({ userId: ann, sessionId: session.sessionId })
  })

  it('returns the same successor for a minute, to a client that lost the response', async () => {
    const { sessions, clock, session } = await signedIn()
    const lost = await sessions.refresh(session.refreshToken, PHONE)
    clock.advance(50_000)
    const again = await sessions.refresh(session.refreshToken, PHONE)
    expect(again.refreshToken).toBe(lost.refreshToken)
    clock.advance(DAY)
    expect(await sessions.refresh(again.refreshToken, PHONE)).toMatchObject({ sessionId: session.sessionId })
  })

  it('returns the same successor to twenty concurrent tabs, in every generation', async () => {
    const { sessions, clock, session } = await signedIn()
    let { refreshToken } = session
    for (let round = 0; round < 5; round++) {
      const tabs = Array.from({ length: 20 }, () => sessions.refresh(refreshToken, PHONE))
      const successors = new Set((await Promise.all(tabs)).map((tab) => tab.refreshToken))
      expect(successors.size).toBe(1)
      refreshToken = [...successors][0]!
      clock.advance(DAY)
    }
  })

  it('returns the newest token for a minute, however many exchanges followed', async () => {
    const { sessions, clock, session } = await signedIn()
    const second = await sessions.refresh(session.refreshToken, PHONE)
    clock.advance(30_000)
    const third = await sessions.refresh(second.refreshToken, PHONE)
    clock.advance(30_000)
    const late = await sessions.refresh(session.refreshToken, PHONE)
    expect(late.refreshToken).toBe(third.refreshToken)
    clock.advance(30_000)
    expect((await sessions.refresh(second.refreshToken, PHONE)).refreshToken).toBe(third.refreshToken)
  })

  it('ends the session when it is used more than a minute after its first use', async () => {
    const { sessions, clock, ended, session } = await signedIn()
    const second = await sessions.refresh(session.refreshToken, PHONE)
    clock.advance(60_001)
    await expect(sessions.refresh(session.refreshToken, PHONE)).rejects.toMatchObject({
      code: 'invalid_token',
    })
    expect(ended).toEqual([session.sessionId])
    expect(() => sessions.verify(second.accessToken)).toThrow(
      expect.objectContaining({ code: 'token_invalid' }),
    )
    await expect(sessions.refresh(second.refreshToken, PHONE)).rejects.toMatchObject({
      code: 'invalid_token',
    })
  })

  it.each([61_000, 25 * MINUTE, 6 * DAY])(
    'that owner and thief use in turns, %i ms apart, gives the theft away at once',
    async (pause) => {
      const { sessions, clock, ended, session } = await signedIn()
      // Each keeps what they were answered last, and does not know of the other.
      let [owners, thiefs] = [session.refreshToken, session.refreshToken]
      const exchanges = async () => {
        owners = (await sessions.refresh(owners, PHONE)).refreshToken
        clock.advance(pause)
        thiefs = (await sessions.refresh(thiefs, { userAgent: 'Thief' })).refreshToken
        clock.advance(pause)
      }
      await expect(exchanges()).rejects.toMatchObject({ code: 'invalid_token' })
      expect(ended).toEqual([session.sessionId])
    },
  )

  it('reveals a thief who uses it within the minute at the next exchange', async () => {
    const { sessions, clock, ended, session } = await signedIn()
    const owners = await sessions.refresh(session.refreshToken, PHONE)
    clock.advance(59_000)
    const thiefs = await sessions.refresh(session.refreshToken, { userAgent: 'Thief' })
    clock.advance(25 * MINUTE)
    await sessions.refresh(thiefs.refreshToken, { userAgent: 'Thief' })
    clock.advance(2 * MINUTE)
    await expect(sessions.refresh(owners.refreshToken, PHONE)).rejects.toMatchObject({
      code: 'invalid_token',
    })
    expect(ended).toEqual([session.sessionId])
  })

  it('is recorded in the security log and for the owner when it is reused, without the token', async () => {
    const { sessions, clock, session, securityLog, securityLines } = await signedIn()
    await sessions.refresh(session.refreshToken, PHONE)
    clock.advance(MINUTE + 1)
    const thief = { userAgent: 'Thief', ip: '203.0.113.9' }
    await expect(sessions.refresh(session.refreshToken, thief)).rejects.toMatchObject({
      code: 'invalid_token',
    })
    await securityLog.stop()
    const event = { userId: ann, sessionId: session.sessionId, ip: '203.0.113.9' }
    expect(securityLines).toMatchObject([{ level: 40, security: 'refresh_token_reused', ...event }])
    const rows = await db.rows('select kind, user_id, session_id, ip, user_agent from audit_events', [])
    expect(rows).toEqual([
      {
        kind: 'refresh_token_reused',
        user_id: ann,
        session_id: session.sessionId,
        ip: '203.0.113.9',
        user_agent: 'Thief',
      },
    ])
    expect(JSON.stringify([securityLines, rows])).not.toContain(session.refreshToken)
  })

  it('identifies its session for a minute after its first use, and does not end it afterwards', async () => {
    const { sessions, clock, ended, session } = await signedIn()
    await sessions.refresh(session.refreshToken, PHONE)
    clock.advance(MINUTE)
    expect(await sessions.holderOf(session.refreshToken)).toMatchObject({ userId: ann })
    clock.advance(1)
    expect(await sessions.holderOf(session.refreshToken)).toBeUndefined()
    expect(ended).toEqual([])
  })

  it('expires two weeks after its own issue', async () => {
    const { sessions, clock, session } = await signedIn()
    clock.advance(13 * DAY)
    const second = await sessions.refresh(session.refreshToken, PHONE)
    clock.advance(14 * DAY - 1)
    const third = await sessions.refresh(second.refreshToken, PHONE)
    clock.advance(14 * DAY)
    await expect(sessions.refresh(third.refreshToken, PHONE)).rejects.toMatchObject({ code: 'invalid_token' })
  })

  it('does not end the session when it is used after its expiry', async () => {
    const { sessions, clock, ended, session } = await signedIn()
    const second = await sessions.refresh(session.refreshToken, PHONE)
    clock.advance(13 * DAY)
    const third = await sessions.refresh(second.refreshToken, PHONE)
    clock.advance(DAY)
    await expect(sessions.refresh(session.refreshToken, PHONE)).rejects.toMatchObject({
      code: 'invalid_token',
    })
    expect(ended).toEqual([])
    expect(await sessions.refresh(third.refreshToken, PHONE)).toMatchObject({ sessionId: session.sessionId })
  })

  it('cannot be reused once the secret has changed, while the newest still works', async () => {
    const { sessions, clock, session } = await signedIn()
    const second = await sessions.refresh(session.refreshToken, PHONE)
    const changed = openSessions(db, signer, {
      clock,
      secretKeyBase: 'another secret of thirty-two characters',
    })
    const repeated = changed.sessions.refresh(session.refreshToken, PHONE)
    await expect(repeated).rejects.toMatchObject({ code: 'invalid_token' })
    expect(changed.ended).toEqual([])
    const third = await changed.sessions.refresh(second.refreshToken, PHONE)
    expect(third.sessionId).toBe(session.sessionId)
  })

  it.each(['', 'undefined', 'A'.repeat(43), '\0', '\ud800', 'x'.repeat(1_000_000)])(
    'is rejected when it is unknown (%#)',
    async (token) => {
      const { sessions } = openSessions(db, signer)
      await expect(sessions.refresh(token, PHONE)).rejects.toMatchObject({ code: 'invalid_token' })
      await expect(sessions.revokeByRefreshToken(token)).rejects.toMatchObject({ code: 'invalid_token' })
      expect(await sessions.find(token)).toBeUndefined()
    },
  )

  it('identifies its session, used or not', async () => {
    const { sessions, session } = await signedIn()
    const next = await sessions.refresh(session.refreshToken, PHONE)
    expect(await sessions.find(session.refreshToken)).toMatchObject({ sessionId: session.sessionId })
    expect(await sessions.find(next.refreshToken)).toMatchObject({ sessionId: session.sessionId })
  })

  it('leaves a chain of bounded length in the database', async () => {
    const { sessions, clock, session } = await signedIn()
    let { refreshToken } = session
    for (let day = 0; day < 20; day++) {
      clock.advance(DAY)
      refreshToken = (await sessions.refresh(refreshToken, PHONE)).refreshToken
    }
    const rows = await db.rows<{ count: number }>('select count(*)::float8 as count from refresh_tokens', [])
    expect(rows).toEqual([{ count: 14 }])
  })
})

describe('a session', () => {
  it('ends after its maximum lifetime, however often it is refreshed', async () => {
    const clock = new ManualClock()
    const { sessions } = openSessions(db, signer, { clock, maxAgeMs: 20 * DAY })
    const end = clock.now() + 20 * DAY
    let tokens = await sessions.open(ann, PHONE)
    for (let day = 1; day < 20; day++) {
      clock.advance(DAY)
      tokens = await sessions.refresh(tokens.refreshToken, PHONE)
    }
    clock.advance(DAY - 10 * MINUTE)
    tokens = await sessions.refresh(tokens.refreshToken, PHONE)
    expect(sessions.verify(tokens.accessToken).expiresAt).toBe(end)
    expect(await sessions.holderOf(tokens.refreshToken)).toMatchObject({ expiresAt: end })
    expect(await sessions.expiriesOf([tokens.sessionId])).toEqual(new Map([[tokens.sessionId, end]]))
    clock.advance(10 * MINUTE)
    await expect(sessions.refresh(tokens.refreshToken, PHONE)).rejects.toMatchObject({
      code: 'invalid_token',
    })
    expect(() => sessions.verify(tokens.accessToken)).toThrow()
    expect(await sessions.holderOf(tokens.refreshToken)).toBeUndefined()
    expect(await sessions.list(ann)).toEqual([])
    expect(await sessions.expiriesOf([tokens.sessionId])).toEqual(new Map())
  })

  it('ends by the maximum lifetime of this node, if a node with a longer one refreshed it', async () => {
    const clock = new ManualClock()
    const one = openSessions(db, signer, { clock })
    const other = openSessions(db, signer, { clock, maxAgeMs: DAY })
    const session = await one.sessions.open(ann, PHONE)
    clock.advance(DAY)
    expect(await other.sessions.holderOf(session.refreshToken)).toBeUndefined()
    expect(await other.sessions.list(ann)).toEqual([])
    expect(await other.sessions.expiriesOf([session.sessionId])).toEqual(new Map())
    await expect(other.sessions.refresh(session.refreshToken, PHONE)).rejects.toMatchObject({
      code: 'invalid_token',
    })
  })

  it('has no access token that expires later than itself', async () => {
    const { sessions, session } = await signedIn()
    const soon = sessions.verify(session.accessToken).expiresAt - 20 * MINUTE
    const short = openSessions(db, signer, { maxAgeMs: 10 * MINUTE })
    const tokens = await short.sessions.open(ann, PHONE)
    expect(sessions.verify(tokens.accessToken).expiresAt).toBe(soon)
  })
})

describe('the list of sessions', () => {
  it('lists active sessions with their devices, the last used first', async () => {
    const { sessions, clock } = openSessions(db, signer)
    const start = clock.now()
    const old = await sessions.open(ann, { userAgent: 'Laptop', ip: '192.0.2.2' })
    const gone = await sessions.open(ann, PHONE)
    await sessions.open(await addUser(db, 'ben@example.com'), PHONE)
    clock.advance(MINUTE)
    const whisper = await sessions.open(ann, {}, { kind: 'whisper' })
    clock.advance(MINUTE)
    await sessions.refresh(old.refreshToken, PHONE)
    await sessions.revoke(ann, gone.sessionId)
    expect(await sessions.list(ann)).toEqual([
      {
        ...PHONE,
        id: old.sessionId,
        kind: 'password',
        createdAt: new Date(start),
        lastUsedAt: new Date(start + 2 * MINUTE),
      },
      {
        id: whisper.sessionId,
        kind: 'whisper',
        userAgent: null,
        ip: null,
        createdAt: new Date(start + MINUTE),
        lastUsedAt: new Date(start + MINUTE),
      },
    ])
  })

  it('leaves out a session whose refresh token has expired', async () => {
    const { sessions, clock } = await signedIn()
    clock.advance(14 * DAY)
    expect(await sessions.list(ann)).toEqual([])
  })

  it('accepts any user agent', async () => {
    const { sessions } = openSessions(db, signer)
    await sessions.open(ann, { userAgent: 'x'.repeat(10_000) })
    await sessions.open(ann, { userAgent: '\0\ud800' })
    const agents = (await sessions.list(ann)).map(({ userAgent }) => userAgent)
    expect(agents.sort()).toEqual([null, 'x'.repeat(500)].sort())
  })
})

describe('revoking', () => {
  it('invalidates the tokens of one session and announces it', async () => {
    const { sessions, ended, session } = await signedIn()
    const other = await sessions.open(ann, PHONE)
    await sessions.revoke(ann, session.sessionId)
    expect(ended).toEqual([session.sessionId])
    expect(sessions.isRevoked(session.sessionId)).toBe(true)
    expect(() => sessions.verify(session.accessToken)).toThrow(
      expect.objectContaining({ code: 'token_invalid' }),
    )
    await expect(sessions.refresh(session.refreshToken, PHONE)).rejects.toMatchObject({
      code: 'invalid_token',
    })
    expect(sessions.verify(other.accessToken)).toMatchObject({ sessionId: other.sessionId })
  })

  it.each(['', 'undefined', '\0', '00000000-0000-0000-0000-000000000000'])(
    'finds no session %j',
    async (sessionId) => {
      const { sessions } = openSessions(db, signer)
      await expect(sessions.revoke(ann, sessionId)).rejects.toMatchObject({ code: 'not_found' })
    },
  )

  it('does not find the session of another user', async () => {
    const { sessions, session } = await signedIn()
    const ben = await addUser(db, 'ben@example.com')
    await expect(sessions.revoke(ben, session.sessionId)).rejects.toMatchObject({ code: 'not_found' })
    expect(sessions.verify(session.accessToken)).toMatchObject({ userId: ann })
  })

  it('ends all sessions of a user except one', async () => {
    const { sessions, ended, session } = await signedIn()
    const other = await sessions.open(ann, PHONE)
    const bens = await sessions.open(await addUser(db, 'ben@example.com'), PHONE)
    await sessions.revokeAll(ann, { except: other.sessionId })
    expect(ended).toEqual([session.sessionId])
    await sessions.revokeAll(ann)
    expect(ended).toEqual([session.sessionId, other.sessionId])
    expect(sessions.verify(bens.accessToken)).toMatchObject({ sessionId: bens.sessionId })
  })

  it('ends the session of a refresh token, used or not, and may be repeated', async () => {
    const { sessions, ended, session } = await signedIn()
    const other = await sessions.open(ann, PHONE)
    await sessions.refresh(session.refreshToken, PHONE)
    await sessions.revokeByRefreshToken(session.refreshToken)
    await sessions.revokeByRefreshToken(session.refreshToken)
    expect(ended).toEqual([session.sessionId])
    expect(sessions.verify(other.accessToken)).toMatchObject({ sessionId: other.sessionId })
  })

  it('ends each session once when several requests end all of them', async () => {
    const { sessions, ended } = await signedIn()
    for (let i = 0; i < 10; i++) await sessions.open(ann, PHONE)
    await Promise.all(Array.from({ length: 8 }, () => sessions.revokeAll(ann)))
    expect(ended.length).toBe(11)
    expect(await sessions.list(ann)).toEqual([])
  })
})

describe('a node that starts', () => {
  it('loads revocations while an access token may be valid', async () => {
    const { sessions, clock, session } = await signedIn()
    await sessions.revoke(ann, session.sessionId)
    clock.advance(29 * MINUTE)
    const restarted = openSessions(db, signer, { clock })
    await restarted.sessions.start()
    onTestFinished(() => restarted.sessions.stop())
    expect(restarted.sessions.isRevoked(session.sessionId)).toBe(true)
    expect(() => restarted.sessions.verify(session.accessToken)).toThrow(
      expect.objectContaining({ code: 'token_invalid' }),
    )
  })

  it('drops a revocation when no access token can be valid', async () => {
    const { sessions, clock, session } = await signedIn()
    await sessions.start()
    onTestFinished(() => sessions.stop())
    await sessions.revoke(ann, session.sessionId)
    clock.advance(30 * MINUTE)
    expect(sessions.isRevoked(session.sessionId)).toBe(true)
    clock.advance(5 * MINUTE)
    expect(sessions.isRevoked(session.sessionId)).toBe(false)
    expect(() => sessions.verify(session.accessToken)).toThrow(
      expect.objectContaining({ code: 'token_expired' }),
    )
  })
})

describe.runIf(process.env.DATABASE_URL)('two nodes on one database', () => {
  /** Another node, running. */
  async function anotherNode(clock: ManualClock) {
    const node = openSessions(db, signer, { clock })
    await node.sessions.start()
    onTestFinished(() => node.sessions.stop())
    return node
  }

  it('read each other’s revocations, and announce each once', async () => {
    const { sessions, clock, session } = await signedIn()
    const other = await anotherNode(clock)
    expect(other.sessions.isRevoked(session.sessionId)).toBe(false)
    await sessions.revoke(ann, session.sessionId)
    clock.advance(500)
    await eventually(() => expect(other.ended).toEqual([session.sessionId]))
    expect(other.sessions.isRevoked(session.sessionId)).toBe(true)
    clock.advance(500)
    await other.sessions.stop()
    expect(other.ended).toEqual([session.sessionId])
  })

  it('read them from a node whose clock is behind', async () => {
    const slow = openSessions(db, signer, { clock: new ManualClock(new ManualClock().now() - 30_000) })
    const session = await slow.sessions.open(ann, PHONE)
    const other = await anotherNode(new ManualClock())
    await slow.sessions.revoke(ann, session.sessionId)
    other.clock.advance(500)
    await eventually(() => expect(other.ended).toEqual([session.sessionId]))
  })

  it('report a failing poll once, and miss no revocation', async () => {
    const { sessions, clock, session } = await signedIn()
    const other = await anotherNode(clock)
    await sessions.revoke(ann, session.sessionId)
    await db.rows('alter table sessions rename to hidden_sessions', [])
    try {
      clock.advance(500)
      await eventually(() => expect(other.lines.length).toBe(1))
      clock.advance(2 * MINUTE)
    } finally {
      await db.rows('alter table hidden_sessions rename to sessions', [])
    }
    await eventually(() => {
      clock.advance(500)
      expect(other.ended).toEqual([session.sessionId])
    })
    expect(other.lines.map(({ msg }) => msg)).toEqual([
      'Reading the sessions that other nodes revoked failed. It is retried until it succeeds.',
      'Reading the sessions that other nodes revoked works again.',
    ])
  })
})

describe('every hour', () => {
  it('deletes expired and revoked sessions, and expired one-time tokens', async () => {
    const { sessions, clock, session } = await signedIn()
    const revoked = await sessions.open(ann, PHONE)
    await sessions.revoke(ann, revoked.sessionId)
    await db.rows(
      `insert into tokens (hash, user_id, context, sent_to, expires_at)
       select sha256(i::text::bytea), $1, 'password_reset', 'ann@example.com',
              to_timestamp($2 / 1000.0) + i * interval '1 day' from generate_series(1, 20) i`,
      [ann, clock.now()],
    )
    clock.advance(13 * DAY)
    await anHour(sessions, clock)
    await sessions.refresh(session.refreshToken, PHONE)
    expect(await countRows()).toEqual({ sessions: 1, tokens: 7 })
    clock.advance(14 * DAY)
    await anHour(sessions, clock)
    await anHour(sessions, clock)
    expect(await countRows()).toEqual({ sessions: 0, tokens: 0 })
  })

  it('revokes expired sessions before it deletes their rows', async () => {
    const { sessions, clock, ended, session } = await signedIn()
    clock.advance(14 * DAY - 60 * MINUTE - 1)
    await anHour(sessions, clock)
    expect(ended).toEqual([])
    await anHour(sessions, clock)
    expect(ended).toEqual([session.sessionId])
    expect(sessions.isRevoked(session.sessionId)).toBe(true)
    expect(await countRows()).toMatchObject({ sessions: 1 })
  })

  async function anHour(sessions: Sessions, clock: ManualClock) {
    await sessions.start()
    clock.advance(60 * MINUTE)
    await sessions.stop()
  }

  async function countRows() {
    const [counts] = await db.rows<{ sessions: number; tokens: number }>(
      `select (select count(*) from sessions)::float8 as sessions, (select count(*) from tokens)::float8 as tokens`,
      [],
    )
    return counts
  }
})
