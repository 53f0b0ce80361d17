import { type TOTP, URI } from 'otpauth'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Database } from '../../src/db/database.ts'
import type { AccessTokenSigner } from '../../src/domain/access-tokens.ts'
import { Totp } from '../../src/domain/totp.ts'
import { Vault } from '../../src/domain/vault.ts'
import { rotateVault } from '../../src/domain/vault-rotation.ts'
import { addUser, openSessions, openSigner, PHONE, SECRET } from '../support/account-services.ts'
import { ruleBroken } from '../support/chat-services.ts'
import { openTestDatabase, truncateAll } from '../support/database.ts'
import { logStatements } from '../support/sql-log.ts'

const EMAIL = 'ann@example.com'
const STEP = 30_000
const MINUTE = 60_000
const WRONG = '000000'

let db: Database
let signer: AccessTokenSigner

beforeAll(async () => {
  db = await openTestDatabase()
  signer = await openSigner()
})
afterAll(() => db.close())
beforeEach(() => truncateAll(db))

/** Ann, with an app that is set up but not confirmed yet. */
async function setUp(email = EMAIL) {
  const node = openSessions(db, signer)
  const { clock, sessions } = node
  const totp = new Totp({ db, clock, sessions, vault: new Vault([SECRET]), issuer: 'Parley' })
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
  node.clock.advance(10 * MINUTE)
  return { ...node, recoveryCodes }
}

/** What became of each of several tries. */
function outcomes(tries: Promise<unknown>[]): Promise<string[]> {
  return Promise.all(tries.map(ruleBroken))
}

describe('setting an app up', () => {
  it('gives the secret another form each time, until it is confirmed', async () => {
    const { totp, ann } = await setUp()
    const first = await totp.uri(ann)
    expect(await totp.uri(ann)).toBe(first)
    await totp.create(ann.id)
    expect(await totp.uri(ann)).not.toBe(first)
  })

  it('keeps the secret sealed', async () => {
    const { app } = await setUp()
    const [row] = await db.rows<{ secret: Uint8Array }>('select secret from totp_devices', [])
    const stored = Buffer.from(row!.secret)
    expect(stored.includes(app.secret.base32)).toBe(false)
    expect(stored.includes(Buffer.from(app.secret.bytes))).toBe(false)
  })

  it('is over once it is confirmed: nothing is shown or replaced any more', async () => {
    const { totp, ann, freshCode } = await enrol()
    expect(await ruleBroken(totp.uri(ann))).toBe('totp_confirmed')
    expect(await ruleBroken(totp.create(ann.id))).toBe('totp_confirmed')
    expect(await ruleBroken(totp.confirm(ann, freshCode()))).toBe('totp_confirmed')
    expect(await totp.verify(EMAIL, freshCode())).toBe(ann.id)
  })

  it('has to be begun', async () => {
    const { totp } = await setUp()
    const bob = { id: await addUser(db, 'bob@example.com'), email: 'bob@example.com' }
    expect(await ruleBroken(totp.uri(bob))).toBe('totp_missing')
    expect(await ruleBroken(totp.confirm(bob, WRONG))).toBe('totp_missing')
    expect(await ruleBroken(totp.remove(bob, WRONG))).toBe('totp_missing')
  })

  it('needs a code of this very secret', async () => {
    const { totp, ann, app } = await setUp()
    await totp.create(ann.id)
    expect(await ruleBroken(totp.confirm(ann, app.generate({ timestamp: 0 })))).toBe('otp_invalid')
  })

  it('is confirmed by one of those who try at once', async () => {
    const { totp, ann, code } = await setUp()
    const tries = await outcomes([1, 2, 3].map(() => totp.confirm(ann, code())))
    expect(tries.sort()).toEqual(['kept', 'totp_confirmed', 'totp_confirmed'])
  })

  it('ends every session of the user but the one it is done in', async () => {
    const { totp, ann, code, sessions, ended } = await setUp()
    const here = await sessions.open(ann.id, PHONE)
    const there = await sessions.open(ann.id, PHONE)
    const bobs = await sessions.open(await addUser(db, 'bob@example.com'), PHONE)
    await totp.confirm(ann, code(), here.sessionId)
    expect(ended).toEqual([there.sessionId])
    expect(sessions.verify(here.accessToken).userId).toBe(ann.id)
    expect(sessions.verify(bobs.accessToken)).toBeDefined()
    expect(await ruleBroken(sessions.refresh(there.refreshToken, PHONE))).toBe('invalid_token')
  })

  it('ends none while it is not confirmed', async () => {
    const { totp, ann, sessions, ended } = await setUp()
    await sessions.open(ann.id, PHONE)
    expect(await ruleBroken(totp.confirm(ann, WRONG))).toBe('otp_invalid')
    expect(ended).toEqual([])
  })
})

describe('a code', () => {
  it('is taken once, however many give it at once', async () => {
    const { totp, code } = await enrol()
    const tries = await outcomes([1, 2, 3, 4, 5].map(() => totp.verify(EMAIL, code())))
    expect(tries.sort()).toEqual(['kept', ...Array(4).fill('otp_invalid')])
  })

  it('is not taken again after it has confirmed the app', async () => {
    const { totp, ann, code } = await setUp()
    await totp.confirm(ann, code())
    expect(await ruleBroken(totp.verify(EMAIL, code()))).toBe('otp_invalid')
    expect(await ruleBroken(totp.verify(EMAIL, code(-1)))).toBe('otp_invalid')
    expect(await totp.verify(EMAIL, code(1))).toBe(ann.id)
  })

  it('voids those before it', async () => {
    const { totp, code } = await enrol()
    await totp.verify(EMAIL, code(1))
    expect(await ruleBroken(totp.verify(EMAIL, code()))).toBe('otp_invalid')
  })

  it('is not taken for an app that is only being set up', async () => {
    const { totp, code } = await setUp()
    expect(await ruleBroken(totp.verify(EMAIL, code()))).toBe('otp_invalid')
  })

  it("is not taken for another user's address", async () => {
    const { totp } = await enrol('bob@example.com')
    const ann = await enrol()
    expect(await ruleBroken(totp.verify('bob@example.com', ann.code()))).toBe('otp_invalid')
    expect(await ruleBroken(totp.verify('bob@example.com', ann.recoveryCodes[0]!))).toBe('otp_invalid')
  })

  it('goes with the address in any letter case', async () => {
    const { totp, ann, code } = await enrol()
    expect(await totp.verify('ANN@Example.com', code())).toBe(ann.id)
  })
})

describe('a recovery code', () => {
  it('is taken once each, in place of a code', async () => {
    const { totp, ann, recoveryCodes } = await enrol()
    for (const code of recoveryCodes) {
      expect(await totp.verify(EMAIL, code.toUpperCase().replaceAll('-', ''))).toBe(ann.id)
      expect(await ruleBroken(totp.verify(EMAIL, code))).toBe('otp_invalid')
    }
  })

  it('is taken once, however many give it at once', async () => {
    const { totp, recoveryCodes } = await enrol()
    const tries = await outcomes([1, 2, 3, 4, 5].map(() => totp.verify(EMAIL, recoveryCodes[0]!)))
    expect(tries.sort()).toEqual(['kept', ...Array(4).fill('otp_invalid')])
  })

  it('is stored so that nobody can read it', async () => {
    const { recoveryCodes } = await enrol()
    const rows = await db.rows<{ hash: Uint8Array }>('select hash from recovery_codes', [])
    expect(rows).toHaveLength(10)
    const stored = rows.map(({ hash }) => Buffer.from(hash))
    for (const code of recoveryCodes) {
      const bare = code.replaceAll('-', '')
      expect(stored.some((bytes) => bytes.includes(code) || bytes.includes(bare))).toBe(false)
    }
  })

  it('is void once the app is removed, and when another is set up', async () => {
    const { totp, ann, recoveryCodes, freshCode, clock } = await enrol()
    await totp.remove(ann, freshCode())
    expect(await ruleBroken(totp.verify(EMAIL, recoveryCodes[0]!))).toBe('otp_invalid')
    await totp.create(ann.id)
    const app = URI.parse(await totp.uri(ann)) as TOTP
    await totp.confirm(ann, app.generate({ timestamp: clock.now() }))
    expect(await ruleBroken(totp.verify(EMAIL, recoveryCodes[0]!))).toBe('otp_invalid')
  })

  it('does not confirm an app', async () => {
    const { totp, ann, recoveryCodes, freshCode } = await enrol()
    await totp.remove(ann, freshCode())
    await totp.create(ann.id)
    expect(await ruleBroken(totp.confirm(ann, recoveryCodes[0]!))).toBe('otp_invalid')
  })
})

describe('removing an app', () => {
  it('needs a code of it', async () => {
    const { totp, ann, freshCode, recoveryCodes } = await enrol()
    expect(await ruleBroken(totp.remove(ann, WRONG))).toBe('otp_invalid')
    await totp.verify(EMAIL, freshCode())
    await totp.remove(ann, recoveryCodes[0]!)
    expect(await ruleBroken(totp.verify(EMAIL, freshCode()))).toBe('otp_invalid')
    expect(await ruleBroken(totp.remove(ann, freshCode()))).toBe('totp_missing')
  })
})

describe('tries', () => {
  it('are five a minute, wrong ones and whoever it is', async () => {
    const { totp, code, clock } = await enrol()
    for (const email of [EMAIL, 'eve@example.com']) {
      const tries = []
      for (let i = 0; i < 7; i++) tries.push(await ruleBroken(totp.verify(email, WRONG)))
      expect(tries).toEqual([...Array(5).fill('otp_invalid'), 'rate_limited', 'rate_limited'])
    }
    expect(await ruleBroken(totp.verify(EMAIL, code()))).toBe('rate_limited')
    clock.advance(MINUTE)
    expect(await ruleBroken(totp.verify(EMAIL, code()))).toBe('kept')
  })

  it('are counted together when they come at once, and in any letter case', async () => {
    const { totp } = await enrol()
    const emails = [EMAIL, 'ANN@EXAMPLE.COM', 'Ann@example.com', 'aNN@example.com']
    const tries = await outcomes([...emails, ...emails].map((email) => totp.verify(email, WRONG)))
    expect(tries.sort()).toEqual([...Array(5).fill('otp_invalid'), ...Array(3).fill('rate_limited')])
  })

  it('say how long to wait: until the first of them is a minute ago', async () => {
    const { totp, clock } = await enrol()
    await ruleBroken(totp.verify(EMAIL, WRONG))
    clock.advance(20_000)
    for (let i = 0; i < 4; i++) await ruleBroken(totp.verify(EMAIL, WRONG))
    await expect(totp.verify(EMAIL, WRONG)).rejects.toMatchObject({ retryAfterMs: 40_000 })
    clock.advance(39_999)
    expect(await ruleBroken(totp.verify(EMAIL, WRONG))).toBe('rate_limited')
    clock.advance(1)
    expect(await ruleBroken(totp.verify(EMAIL, WRONG))).toBe('otp_invalid')
  })

  it('begin anew after a right code', async () => {
    const { totp, freshCode } = await enrol()
    for (let i = 0; i < 3; i++) {
      for (let j = 0; j < 4; j++) expect(await ruleBroken(totp.verify(EMAIL, WRONG))).toBe('otp_invalid')
      expect(await ruleBroken(totp.verify(EMAIL, freshCode()))).toBe('kept')
    }
  })

  it('count wherever a code is given', async () => {
    const { totp, ann } = await enrol()
    const tries = [
      await ruleBroken(totp.verify(EMAIL, WRONG)),
      await ruleBroken(totp.remove(ann, WRONG)),
      await ruleBroken(totp.challenge(ann, WRONG)),
      await ruleBroken(totp.remove(ann, WRONG)),
      await ruleBroken(totp.challenge(ann, WRONG)),
      await ruleBroken(totp.remove(ann, WRONG)),
      await ruleBroken(totp.challenge(ann, WRONG)),
      await ruleBroken(totp.verify(EMAIL, WRONG)),
    ]
    expect(tries).toEqual([...Array(5).fill('otp_invalid'), ...Array(3).fill('rate_limited')])
  })

  it('are forgotten in time', async () => {
    const { totp, sessions, clock } = await enrol()
    await ruleBroken(totp.verify(EMAIL, WRONG))
    await ruleBroken(totp.verify('eve@example.com', WRONG))
    await sessions.start()
    clock.advance(60 * MINUTE)
    await sessions.stop()
    expect(await db.rows('select * from code_attempts', [])).toEqual([])
  })

  it('say nothing of whose they were', async () => {
    const { totp } = await enrol()
    await ruleBroken(totp.verify('eve@example.com', WRONG))
    const [row] = await db.rows<{ hash: Uint8Array }>('select address_hash as hash from code_attempts', [])
    expect(row!.hash).toHaveLength(32)
  })
})

describe('a hundred wrong codes in a row', () => {
  async function fail(node: Awaited<ReturnType<typeof enrol>>, count: number) {
    for (let i = 0; i < count; i++) {
      if (i % 5 === 0) node.clock.advance(MINUTE)
      expect(await ruleBroken(node.totp.verify(EMAIL, WRONG))).toBe('otp_invalid')
    }
    node.clock.advance(MINUTE)
  }

  it('lock the app, for its codes and for recovery codes', async () => {
    const node = await enrol()
    await fail(node, 100)
    const { totp, ann, freshCode, recoveryCodes } = node
    expect(await ruleBroken(totp.verify(EMAIL, freshCode()))).toBe('otp_invalid')
    expect(await ruleBroken(totp.verify(EMAIL, recoveryCodes[0]!))).toBe('otp_invalid')
    expect(await ruleBroken(totp.remove(ann, freshCode()))).toBe('otp_invalid')
    expect(await ruleBroken(totp.challenge(ann, freshCode()))).toBe('otp_invalid')
    const unused = await db.rows('select 1 from recovery_codes where used_at is null', [])
    expect(unused).toHaveLength(10)
  })

  it('are not ninety-nine', async () => {
    const node = await enrol()
    await fail(node, 99)
    expect(await ruleBroken(node.totp.verify(EMAIL, node.freshCode()))).toBe('kept')
    await fail(node, 99)
    expect(await ruleBroken(node.totp.verify(EMAIL, node.recoveryCodes[0]!))).toBe('kept')
  })

  it('do not keep an app from being set up', async () => {
    const node = { ...(await setUp()), recoveryCodes: [] }
    await fail(node, 100)
    expect(await ruleBroken(node.totp.confirm(node.ann, node.freshCode()))).toBe('kept')
  })
})

describe('what a try takes', () => {
  /** The statements of one try, with nothing counted before it. */
  async function statementsOf(log: { statements: string[] }, work: () => Promise<unknown>) {
    await db.rows('delete from code_attempts', [])
    log.statements = []
    await ruleBroken(work())
    return log.statements
  }

  it.each([
    ['a code', WRONG],
    ['a recovery code', '00000-00000-00000'],
    ['nonsense', 'nonsense'],
  ])('is the same for wrong %s, whether there is an account and whatever its state', async (_what, wrong) => {
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
  })

  it('is the same for any code of an app that is locked', async () => {
    const { totp, code, recoveryCodes } = await enrol()
    await db.rows('update totp_devices set failures = 100', [])
    const log = logStatements(db)
    const wrong = await statementsOf(log, () => totp.verify(EMAIL, WRONG))
    expect(await statementsOf(log, () => totp.verify(EMAIL, code()))).toEqual(wrong)
    const wrongRecovery = await statementsOf(log, () => totp.verify(EMAIL, '00000-00000-00000'))
    expect(await statementsOf(log, () => totp.verify(EMAIL, recoveryCodes[0]!))).toEqual(wrongRecovery)
  })
})

describe('a challenge after the password', () => {
  it('is for those who have an app', async () => {
    const { totp, ann, freshCode } = await enrol()
    expect(await ruleBroken(totp.challenge(ann, undefined))).toBe('totp_required')
    expect(await ruleBroken(totp.challenge(ann, ''))).toBe('totp_required')
    expect(await ruleBroken(totp.challenge(ann, WRONG))).toBe('otp_invalid')
    expect(await ruleBroken(totp.challenge(ann, freshCode()))).toBe('kept')
  })

  it('is not for others, unless they have one when the session opens', async () => {
    const { totp, ann, code, sessions } = await setUp()
    const check = await totp.challenge(ann, undefined)
    expect(await ruleBroken(sessions.open(ann.id, PHONE, { check }))).toBe('kept')
    await totp.confirm(ann, code())
    expect(await ruleBroken(sessions.open(ann.id, PHONE, { check }))).toBe('totp_required')
    expect(await sessions.list(ann.id)).toEqual([])
  })

  it('leaves no session to who signs in without a code while the app is confirmed', async () => {
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
  it('is what opens a secret, and no other is started with', async () => {
    await enrol()
    await expect(Vault.open(db, ['another secret that is long enough'])).rejects.toThrow('VAULT_KEY')
    await expect(Vault.open(db, [SECRET])).resolves.toBeDefined()
  })

  it('seals secrets again with a new key', async () => {
    const { totp, ann, clock, sessions, freshCode } = await enrol()
    const fresh = 'a new secret that is long enough'
    expect(await rotateVault(db, new Vault([fresh, SECRET]))).toBe(1)
    const vault = await Vault.open(db, [fresh])
    expect(await rotateVault(db, vault)).toBe(0)
    const moved = new Totp({ db, clock, sessions, vault, issuer: 'Parley' })
    expect(await moved.verify(EMAIL, freshCode())).toBe(ann.id)
    await expect(totp.verify(EMAIL, freshCode())).rejects.toThrow('No secret in VAULT_KEY')
  })
})
