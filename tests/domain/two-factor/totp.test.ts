import { type TOTP, URI } from 'otpauth'
import { beforeAll, describe, expect, it } from 'vitest'
import { findForSignIn, findUserByEmail } from '../../../src/db/queries/accounts/users.ts'
import type { AccessTokenSigner } from '../../../src/domain/sessions/access-tokens.ts'
import type { CodeOrigin } from '../../../src/domain/two-factor/code-limits.ts'
import type { Enrolment } from '../../../src/domain/two-factor/totp-enrolment.ts'
import { Vault } from '../../../src/domain/vault/vault.ts'
import { rotateVault } from '../../../src/domain/vault/vault-rotation.ts'
import {
  addUser,
  openSessions,
  openSigner,
  openTotp as openTotpServices,
  PHONE,
  SECRET,
} from '../../support/account-services.ts'
import { resultOf } from '../../support/chat-services.ts'
import { truncateAll } from '../../support/database.ts'
import { setUpEmptyDatabase } from '../../support/set-up-database.ts'
import { logStatements } from '../../support/sql-log.ts'

const EMAIL = 'ann@example.com'
const STEP = 30_000
const MINUTE = 60_000
const WRONG = '000000'

type Owner = { id: string; email: string }
const HERE = { browserSecret: 'the secret of a browser' }
const UNKNOWN_CLIENT: CodeOrigin = { network: '192.0.2.1' }
const OWNER: CodeOrigin = { network: '192.0.2.2', trustedClient: 'session of the owner' }

const db = setUpEmptyDatabase()
let signer: AccessTokenSigner

beforeAll(async () => {
  signer = await openSigner()
})

/** The services, called by an unknown client that sends a code alone, unless an origin says otherwise. */
function openTotp(
  { clock, sessions }: Pick<ReturnType<typeof openSessions>, 'clock' | 'sessions'>,
  vault?: Vault,
) {
  const { totp, enrolment: enrolments } = openTotpServices({ db, clock, sessions, ...(vault && { vault }) })
  return {
    create: (userId: string, enrolment: Enrolment = HERE) => enrolments.create(userId, enrolment),
    uri: (user: Owner, enrolment: Enrolment = HERE) => enrolments.uri(user, enrolment),
    confirm: (user: Owner, code: string, enrolment: Enrolment = HERE) =>
      enrolments.confirm(user, { code, origin: OWNER }, enrolment),
    remove: (user: Owner, code: string) => totp.remove(user, { code, origin: OWNER }),
    replaceRecoveryCodes: (user: Owner, code: string) =>
      totp.replaceRecoveryCodes(user, { code, origin: OWNER }),
    async challenge({ email }: Owner, code: string | undefined, origin: CodeOrigin = UNKNOWN_CLIENT) {
      const user = (await findForSignIn(db.orm, email))!
      return totp.challenge(user, { origin, ...(code !== undefined && { code }) })
    },
    async verify(email: string, code: string, origin: CodeOrigin = UNKNOWN_CLIENT) {
      const user = await findUserByEmail(db.orm, email)
      await totp.verify({ email, user }, { code, origin }, 'unneeded')
      return user?.id
    },
  }
}

/** Ann, with an app that is set up but not confirmed yet. */
async function setUp(email = EMAIL) {
  const node = openSessions(db, signer)
  const { clock } = node
  const totp = openTotp(node)
  const ann = { id: await addUser(db, email), email }
  await totp.create(ann.id)
  const app = URI.parse(await totp.uri(ann)) as TOTP
  const code = (steps = 0) => app.generate({ timestamp: clock.now() + steps * STEP })
  /** A code whose time has just begun. */
  const freshCode = () => {
    clock.advance(STEP)
    return code()
  }
  return { ...node, totp, ann, app, code, freshCode }
}

/** The same, confirmed a while ago. */
async function enrol(email = EMAIL) {
  const node = await setUp(email)
  const recoveryCodes = await node.totp.confirm(node.ann, node.code())
  await db.rows('delete from spent_states', [])
  node.clock.advance(10 * MINUTE)
  return { ...node, recoveryCodes }
}

/** What became of each of several tries. */
function outcomes(tries: Promise<unknown>[]): Promise<string[]> {
  return Promise.all(tries.map(resultOf))
}

describe('setting an app up', () => {
  it('replaces the secret each time, until it is confirmed', async () => {
    const { totp, ann } = await setUp()
    const first = await totp.uri(ann)
    expect(await totp.uri(ann)).toBe(first)
    await totp.create(ann.id)
    expect(await totp.uri(ann)).not.toBe(first)
  })

  it('encrypts the secret', async () => {
    const { app } = await setUp()
    const [row] = await db.rows<{ secret: Uint8Array }>('select secret from totp_devices', [])
    const stored = Buffer.from(row!.secret)
    expect(stored.includes(app.secret.base32)).toBe(false)
    expect(stored.includes(Buffer.from(app.secret.bytes))).toBe(false)
  })

  it('shows and replaces nothing once it is confirmed', async () => {
    const { totp, ann, freshCode } = await enrol()
    expect(await resultOf(totp.uri(ann))).toBe('totp_confirmed')
    expect(await resultOf(totp.create(ann.id))).toBe('totp_confirmed')
    expect(await resultOf(totp.confirm(ann, freshCode()))).toBe('totp_confirmed')
    expect(await totp.verify(EMAIL, freshCode())).toBe(ann.id)
  })

  it('fails without an unconfirmed device', async () => {
    const { totp } = await setUp()
    const bob = { id: await addUser(db, 'bob@example.com'), email: 'bob@example.com' }
    expect(await resultOf(totp.uri(bob))).toBe('totp_missing')
    expect(await resultOf(totp.confirm(bob, WRONG))).toBe('totp_missing')
    expect(await resultOf(totp.remove(bob, WRONG))).toBe('totp_missing')
  })

  it('requires a code of the newest secret', async () => {
    const { totp, ann, app } = await setUp()
    await totp.create(ann.id)
    expect(await resultOf(totp.confirm(ann, app.generate({ timestamp: 0 })))).toBe('otp_invalid')
  })

  it('is confirmed by one of several concurrent requests', async () => {
    const { totp, ann, code } = await setUp()
    const tries = await outcomes([1, 2, 3].map(() => totp.confirm(ann, code())))
    expect(tries.sort()).toEqual(['ok', 'totp_confirmed', 'totp_confirmed'])
  })

  it('ends every session of the user except the enrolling one', async () => {
    const { totp, ann, clock, sessions, ended } = await setUp()
    const here = await sessions.open(ann.id, PHONE)
    const there = await sessions.open(ann.id, PHONE)
    const bobs = await sessions.open(await addUser(db, 'bob@example.com'), PHONE)
    await totp.create(ann.id, here)
    const secret = URI.parse(await totp.uri(ann, here)) as TOTP
    await totp.confirm(ann, secret.generate({ timestamp: clock.now() }), here)
    expect(ended).toEqual([there.sessionId])
    expect(sessions.verify(here.accessToken).userId).toBe(ann.id)
    expect(sessions.verify(bobs.accessToken)).toBeDefined()
    expect(await resultOf(sessions.refresh(there.refreshToken, PHONE))).toBe('invalid_token')
  })

  it('ends no session before it is confirmed', async () => {
    const { totp, ann, sessions, ended } = await setUp()
    await sessions.open(ann.id, PHONE)
    expect(await resultOf(totp.confirm(ann, WRONG))).toBe('otp_invalid')
    expect(ended).toEqual([])
  })
})

describe('a code', () => {
  it('is accepted once, also from concurrent requests', async () => {
    const { totp, code } = await enrol()
    const tries = await outcomes([1, 2, 3, 4, 5].map(() => totp.verify(EMAIL, code())))
    expect(tries.sort()).toEqual(['ok', ...Array(4).fill('otp_invalid')])
  })

  it('is not accepted again after it has confirmed the app', async () => {
    const { totp, ann, code } = await setUp()
    await totp.confirm(ann, code())
    expect(await resultOf(totp.verify(EMAIL, code()))).toBe('otp_invalid')
    expect(await resultOf(totp.verify(EMAIL, code(-1)))).toBe('otp_invalid')
    expect(await totp.verify(EMAIL, code(1))).toBe(ann.id)
  })

  it('voids earlier ones', async () => {
    const { totp, code } = await enrol()
    await totp.verify(EMAIL, code(1))
    expect(await resultOf(totp.verify(EMAIL, code()))).toBe('otp_invalid')
  })

  it('is not accepted for an unconfirmed app', async () => {
    const { totp, code } = await setUp()
    expect(await resultOf(totp.verify(EMAIL, code()))).toBe('otp_invalid')
  })

  it("is not accepted for another user's address", async () => {
    const { totp } = await enrol('bob@example.com')
    const ann = await enrol()
    expect(await resultOf(totp.verify('bob@example.com', ann.code()))).toBe('otp_invalid')
    expect(await resultOf(totp.verify('bob@example.com', ann.recoveryCodes[0]!))).toBe('otp_invalid')
  })

  it('is accepted with the address in any letter case', async () => {
    const { totp, ann, code } = await enrol()
    expect(await totp.verify('ANN@Example.com', code())).toBe(ann.id)
  })
})

describe('a recovery code', () => {
  it('is accepted once, in place of a code', async () => {
    const { totp, ann, recoveryCodes } = await enrol()
    for (const code of recoveryCodes) {
      expect(await totp.verify(EMAIL, code.toUpperCase().replaceAll('-', ''))).toBe(ann.id)
      expect(await resultOf(totp.verify(EMAIL, code))).toBe('otp_invalid')
    }
  })

  it('is accepted once, also from concurrent requests', async () => {
    const { totp, recoveryCodes } = await enrol()
    const tries = await outcomes([1, 2, 3, 4, 5].map(() => totp.verify(EMAIL, recoveryCodes[0]!)))
    expect(tries.sort()).toEqual(['ok', ...Array(4).fill('otp_invalid')])
  })

  it('is stored as a hash', async () => {
    const { recoveryCodes } = await enrol()
    const rows = await db.rows<{ hash: Uint8Array }>('select hash from recovery_codes', [])
    expect(rows).toHaveLength(10)
    const stored = rows.map(({ hash }) => Buffer.from(hash))
    for (const code of recoveryCodes) {
      const bare = code.replaceAll('-', '')
      expect(stored.some((bytes) => bytes.includes(code) || bytes.includes(bare))).toBe(false)
    }
  })

  it('is void once the app is removed, also after another is set up', async () => {
    const { totp, ann, recoveryCodes, freshCode, clock } = await enrol()
    await totp.remove(ann, freshCode())
    expect(await resultOf(totp.verify(EMAIL, recoveryCodes[0]!))).toBe('otp_invalid')
    await totp.create(ann.id)
    const app = URI.parse(await totp.uri(ann)) as TOTP
    await totp.confirm(ann, app.generate({ timestamp: clock.now() }))
    expect(await resultOf(totp.verify(EMAIL, recoveryCodes[0]!))).toBe('otp_invalid')
  })

  it('does not confirm an app', async () => {
    const { totp, ann, recoveryCodes, freshCode } = await enrol()
    await totp.remove(ann, freshCode())
    await totp.create(ann.id)
    expect(await resultOf(totp.confirm(ann, recoveryCodes[0]!))).toBe('otp_invalid')
  })
})

describe('removing an app', () => {
  it('requires a code', async () => {
    const { totp, ann, freshCode, recoveryCodes } = await enrol()
    expect(await resultOf(totp.remove(ann, WRONG))).toBe('otp_invalid')
    await totp.verify(EMAIL, freshCode())
    await totp.remove(ann, recoveryCodes[0]!)
    expect(await resultOf(totp.verify(EMAIL, freshCode()))).toBe('otp_invalid')
    expect(await resultOf(totp.remove(ann, freshCode()))).toBe('totp_missing')
  })
})

describe('attempts', () => {
  it('are limited to five wrong ones a minute, for any address', async () => {
    const { totp, code, clock } = await enrol()
    for (const email of [EMAIL, 'eve@example.com']) {
      const tries = []
      for (let i = 0; i < 7; i++) tries.push(await resultOf(totp.verify(email, WRONG)))
      expect(tries).toEqual([...Array(5).fill('otp_invalid'), 'rate_limited', 'rate_limited'])
    }
    expect(await resultOf(totp.verify(EMAIL, code()))).toBe('rate_limited')
    clock.advance(MINUTE)
    expect(await resultOf(totp.verify(EMAIL, code()))).toBe('ok')
  })

  it('are counted together when they are concurrent, and in any letter case', async () => {
    const { totp } = await enrol()
    const emails = [EMAIL, 'ANN@EXAMPLE.COM', 'Ann@example.com', 'aNN@example.com']
    const tries = await outcomes([...emails, ...emails].map((email) => totp.verify(email, WRONG)))
    expect(tries.sort()).toEqual([...Array(5).fill('otp_invalid'), ...Array(3).fill('rate_limited')])
  })

  it('report how long to wait: until the first of them is a minute ago', async () => {
    const { totp, clock } = await enrol()
    await resultOf(totp.verify(EMAIL, WRONG))
    clock.advance(20_000)
    for (let i = 0; i < 4; i++) await resultOf(totp.verify(EMAIL, WRONG))
    await expect(totp.verify(EMAIL, WRONG)).rejects.toMatchObject({ retryAfterMs: 40_000 })
    clock.advance(39_999)
    expect(await resultOf(totp.verify(EMAIL, WRONG))).toBe('rate_limited')
    clock.advance(1)
    expect(await resultOf(totp.verify(EMAIL, WRONG))).toBe('otp_invalid')
  })

  it('start again after a right code', async () => {
    const { totp, freshCode } = await enrol()
    for (let i = 0; i < 3; i++) {
      for (let j = 0; j < 4; j++) expect(await resultOf(totp.verify(EMAIL, WRONG))).toBe('otp_invalid')
      expect(await resultOf(totp.verify(EMAIL, freshCode()))).toBe('ok')
    }
  })

  it('count with and without a password', async () => {
    const { totp, ann } = await enrol()
    const tries = [
      await resultOf(totp.verify(EMAIL, WRONG)),
      await resultOf(totp.challenge(ann, WRONG)),
      await resultOf(totp.challenge(ann, WRONG)),
      await resultOf(totp.verify(EMAIL, WRONG)),
      await resultOf(totp.challenge(ann, WRONG)),
      await resultOf(totp.challenge(ann, WRONG)),
      await resultOf(totp.verify(EMAIL, WRONG)),
    ]
    expect(tries).toEqual([...Array(5).fill('otp_invalid'), ...Array(2).fill('rate_limited')])
  })

  it('of unknown clients do not use up those of the owner, who has five a minute and a hundred a day', async () => {
    const { totp, ann, clock, freshCode } = await enrol()
    for (let i = 0; i < 6; i++) await resultOf(totp.verify(EMAIL, WRONG))
    const tries = []
    for (let i = 0; i < 6; i++) tries.push(await resultOf(totp.remove(ann, WRONG)))
    expect(tries).toEqual([...Array(5).fill('otp_invalid'), 'rate_limited'])
    for (let i = 5; i < 100; i++) {
      if (i % 5 === 0) clock.advance(MINUTE)
      expect(await resultOf(totp.remove(ann, WRONG))).toBe('otp_invalid')
    }
    clock.advance(MINUTE)
    expect(await resultOf(totp.remove(ann, freshCode()))).toBe('rate_limited')
    clock.advance(24 * 60 * MINUTE)
    expect(await resultOf(totp.remove(ann, freshCode()))).toBe('ok')
  })

  it('of unknown clients from all networks are limited to five a minute, and a hundred after the password', async () => {
    const { totp, ann } = await enrol()
    const from = (i: number) => ({ network: `network ${i}` })
    const tries = []
    for (let i = 0; i < 7; i++) tries.push(await resultOf(totp.verify(EMAIL, WRONG, from(i))))
    expect(tries).toEqual([...Array(5).fill('otp_invalid'), 'rate_limited', 'rate_limited'])
    for (let i = 5; i < 100; i++) {
      expect(await resultOf(totp.challenge(ann, WRONG, from(100 + i)))).toBe('otp_invalid')
    }
    expect(await resultOf(totp.challenge(ann, WRONG, from(300)))).toBe('rate_limited')
  })

  it('with recovery codes are limited to five a minute from a network, independent of others', async () => {
    const { totp, ann, recoveryCodes } = await enrol()
    for (let i = 0; i < 6; i++) await resultOf(totp.verify(EMAIL, WRONG))
    const tries = []
    for (let i = 0; i < 6; i++) tries.push(await resultOf(totp.verify(EMAIL, '00000-00000-00000')))
    expect(tries).toEqual([...Array(5).fill('otp_invalid'), 'rate_limited'])
    expect(await totp.verify(EMAIL, recoveryCodes[0]!, { network: 'another' })).toBe(ann.id)
  })

  it('are deleted after they expire', async () => {
    const { totp, sessions, clock } = await enrol()
    await resultOf(totp.verify(EMAIL, WRONG))
    await resultOf(totp.verify('eve@example.com', WRONG))
    await sessions.start()
    clock.advance(60 * MINUTE)
    await sessions.stop()
    expect(await db.rows('select * from code_attempts', [])).toEqual([])
  })

  it('are stored without the address', async () => {
    const { totp } = await enrol()
    await resultOf(totp.verify('eve@example.com', WRONG))
    const [row] = await db.rows<{ hash: Uint8Array }>('select address_hash as hash from code_attempts', [])
    expect(row!.hash).toHaveLength(32)
  })
})

describe('a hundred wrong codes in a row', () => {
  async function fail(node: Awaited<ReturnType<typeof enrol>>, count: number) {
    for (let i = 0; i < count; i++) {
      if (i % 5 === 0) node.clock.advance(MINUTE)
      expect(await resultOf(node.totp.verify(EMAIL, WRONG))).toBe('otp_invalid')
    }
    node.clock.advance(MINUTE)
  }

  it('lock the app for unknown clients', async () => {
    const node = await enrol()
    await fail(node, 100)
    expect(await resultOf(node.totp.verify(EMAIL, node.freshCode()))).toBe('otp_invalid')
  })

  it('do not lock out recovery codes, the password or the owner, and none of these unlocks the app', async () => {
    const node = await enrol()
    await fail(node, 100)
    const { totp, ann, freshCode, recoveryCodes, clock } = node
    expect(await totp.verify(EMAIL, recoveryCodes[0]!)).toBe(ann.id)
    expect(await resultOf(totp.challenge(ann, freshCode()))).toBe('ok')
    expect(await totp.verify(EMAIL, freshCode(), OWNER)).toBe(ann.id)
    clock.advance(MINUTE)
    expect(await resultOf(totp.verify(EMAIL, freshCode()))).toBe('otp_invalid')
  })

  it('lock the app after the password too when there are two hundred', async () => {
    const node = await enrol()
    await fail(node, 100)
    const { totp, ann, freshCode, clock } = node
    for (let i = 0; i < 100; i++) {
      if (i % 5 === 0) clock.advance(MINUTE)
      expect(await resultOf(totp.challenge(ann, WRONG))).toBe('otp_invalid')
    }
    clock.advance(MINUTE)
    expect(await resultOf(totp.challenge(ann, freshCode()))).toBe('otp_invalid')
  })

  it('do not lock the app when there are ninety-nine', async () => {
    const node = await enrol()
    await fail(node, 99)
    expect(await resultOf(node.totp.verify(EMAIL, node.freshCode()))).toBe('ok')
    await fail(node, 99)
    expect(await resultOf(node.totp.verify(EMAIL, node.recoveryCodes[0]!))).toBe('ok')
  })

  it('do not prevent setting up an app', async () => {
    const node = { ...(await setUp()), recoveryCodes: [] }
    await fail(node, 100)
    expect(await resultOf(node.totp.confirm(node.ann, node.freshCode()))).toBe('ok')
  })
})

describe('the statements of an attempt', () => {
  /** The statements of one try, with nothing counted before it. */
  async function statementsOf(log: { statements: string[] }, work: () => Promise<unknown>) {
    await db.rows('delete from code_attempts', [])
    log.statements = []
    await resultOf(work())
    return log.statements
  }

  it.each([
    ['a code', WRONG],
    ['a recovery code', '00000-00000-00000'],
    ['nonsense', 'nonsense'],
  ])(
    'are the same for wrong %s, whether or not the account exists and whatever its state',
    async (_what, wrong) => {
      const { totp } = await enrol()
      await setUp('unconfirmed@example.com')
      await addUser(db, 'none@example.com')
      const log = logStatements(db)
      const known = await statementsOf(log, () => totp.verify(EMAIL, wrong))
      expect(known.length).toBeGreaterThan(3)
      for (const name of ['unconfirmed', 'none', 'eve']) {
        expect(await statementsOf(log, () => totp.verify(`${name}@example.com`, wrong)), name).toEqual(known)
      }
      await db.rows('update totp_devices set failures = 100', [])
      expect(await statementsOf(log, () => totp.verify(EMAIL, wrong)), 'locked').toEqual(known)
    },
  )

  it('are the same for any code of a locked app', async () => {
    const { totp, code } = await enrol()
    await db.rows('update totp_devices set failures = 100', [])
    const log = logStatements(db)
    const wrong = await statementsOf(log, () => totp.verify(EMAIL, WRONG))
    expect(await statementsOf(log, () => totp.verify(EMAIL, code()))).toEqual(wrong)
  })
})

describe('a challenge after the password', () => {
  it('is required of users with an app', async () => {
    const { totp, ann, freshCode } = await enrol()
    expect(await resultOf(totp.challenge(ann, undefined))).toBe('totp_required')
    expect(await resultOf(totp.challenge(ann, ''))).toBe('totp_required')
    expect(await resultOf(totp.challenge(ann, WRONG))).toBe('otp_invalid')
    expect(await resultOf(totp.challenge(ann, freshCode()))).toBe('ok')
  })

  it('is not required of others, unless they have an app when the session opens', async () => {
    const { totp, ann, code, sessions } = await setUp()
    const check = await totp.challenge(ann, undefined)
    expect(await resultOf(sessions.open(ann.id, PHONE, { check }))).toBe('ok')
    await totp.confirm(ann, code())
    expect(await resultOf(sessions.open(ann.id, PHONE, { check }))).toBe('totp_required')
    expect(await sessions.list(ann.id)).toEqual([])
  })

  it('opens no session without a code while the app is confirmed', async () => {
    for (let round = 0; round < 5; round++) {
      await truncateAll(db)
      const { totp, ann, code, sessions } = await setUp()
      const signIn = async () => {
        const check = await totp.challenge(ann, undefined)
        await sessions.open(ann.id, PHONE, { check })
      }
      await outcomes([signIn(), totp.confirm(ann, code()), signIn(), signIn()])
      expect(await sessions.list(ann.id)).toEqual([])
    }
  })
})

describe('the vault', () => {
  it('decrypts the secret, and the server does not start with another one', async () => {
    await enrol()
    await expect(Vault.open(db, ['another secret that is long enough'])).rejects.toThrow('VAULT_KEY')
    await expect(Vault.open(db, [SECRET])).resolves.toBeDefined()
  })

  it('encrypts secrets again with a new key', async () => {
    const { totp, ann, clock, sessions, freshCode } = await enrol()
    const fresh = 'a new secret that is long enough'
    expect(await rotateVault(db, new Vault([fresh, SECRET]))).toBe(1)
    const vault = await Vault.open(db, [fresh])
    expect(await rotateVault(db, vault)).toBe(0)
    const moved = openTotp({ clock, sessions }, vault)
    expect(await moved.verify(EMAIL, freshCode())).toBe(ann.id)
    await expect(totp.verify(EMAIL, freshCode())).rejects.toThrow('No secret in VAULT_KEY')
  })
})
