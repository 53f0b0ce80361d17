import { createHash } from 'node:crypto'
import { beforeEach, describe, expect, it } from 'vitest'
import { updateUser } from '../../../src/db/queries/accounts/users.ts'
import { OneTimeTokens, type TokenContext } from '../../../src/domain/accounts/one-time-tokens.ts'
import { addUser } from '../../support/account-services.ts'
import { ManualClock } from '../../support/clock.ts'
import { setUpEmptyDatabase } from '../../support/set-up-database.ts'

const DAY = 24 * 60 * 60 * 1000
const EMAIL = 'ann@example.com'

const db = setUpEmptyDatabase()
let clock: ManualClock
let tokens: OneTimeTokens
let ann: { id: string; email: string }

beforeEach(async () => {
  clock = new ManualClock()
  tokens = new OneTimeTokens(clock)
  ann = { id: await addUser(db, EMAIL), email: EMAIL }
})

function use(context: TokenContext, token: string) {
  return db.transaction((tx) => tokens.use(tx, context, token))
}

const invalid = expect.objectContaining({ code: 'invalid_token' })

describe('a one-time token', () => {
  it('has 32 bytes, and only its SHA-256 is stored', async () => {
    const token = await tokens.issue(db.orm, 'password_reset', ann)
    expect(token).toMatch(/^[\w-]{43}$/)
    const rows = await db.rows<{ hash: string }>(`select encode(hash, 'hex') as hash from tokens`, [])
    expect(rows).toEqual([{ hash: createHash('sha256').update(token).digest('hex') }])
  })

  it('identifies its owner until it is used once', async () => {
    const token = await tokens.issue(db.orm, 'password_reset', ann)
    expect(await tokens.owner(db.orm, 'password_reset', token)).toMatchObject(ann)
    expect(await tokens.owner(db.orm, 'password_reset', token)).toMatchObject(ann)
    expect(await use('password_reset', token)).toMatchObject(ann)
    await expect(use('password_reset', token)).rejects.toEqual(invalid)
    await expect(tokens.owner(db.orm, 'password_reset', token)).rejects.toEqual(invalid)
  })

  it.each<[TokenContext, number]>([
    ['email_confirmation', 7],
    ['password_reset', 1],
    ['email_change', 7],
  ])('for %s is valid for %i days', async (context, days) => {
    const token = await tokens.issue(db.orm, context, ann)
    clock.advance(days * DAY - 1)
    expect(await tokens.owner(db.orm, context, token)).toMatchObject(ann)
    clock.advance(1)
    await expect(use(context, token)).rejects.toEqual(invalid)
  })

  it('is not valid in another context', async () => {
    const token = await tokens.issue(db.orm, 'email_confirmation', ann)
    await expect(use('password_reset', token)).rejects.toEqual(invalid)
    expect(await use('email_confirmation', token)).toMatchObject(ann)
  })

  it('voids the user’s other tokens of its context when used, and no others', async () => {
    const first = await tokens.issue(db.orm, 'password_reset', ann)
    const second = await tokens.issue(db.orm, 'password_reset', ann)
    const other = await tokens.issue(db.orm, 'email_change', ann)
    const ben = { id: await addUser(db, 'ben@example.com'), email: 'ben@example.com' }
    const bens = await tokens.issue(db.orm, 'password_reset', ben)
    await use('password_reset', second)
    await expect(use('password_reset', first)).rejects.toEqual(invalid)
    expect(await use('email_change', other)).toMatchObject(ann)
    expect(await use('password_reset', bens)).toMatchObject(ben)
  })

  it('is void once the user has another address', async () => {
    const token = await tokens.issue(db.orm, 'password_reset', ann)
    await updateUser(db.orm, ann.id, { email: 'ann@elsewhere.example' }, new Date())
    await expect(tokens.owner(db.orm, 'password_reset', token)).rejects.toEqual(invalid)
    await expect(use('password_reset', token)).rejects.toEqual(invalid)
    await updateUser(db.orm, ann.id, { email: 'Ann@Example.com' }, new Date())
    expect(await use('password_reset', token)).toMatchObject({ id: ann.id })
  })

  it('can be used once, also concurrently with others of its context', async () => {
    const issued = [
      await tokens.issue(db.orm, 'password_reset', ann),
      await tokens.issue(db.orm, 'password_reset', ann),
    ]
    const uses = Array.from({ length: 10 }, (_, i) => use('password_reset', issued[i % 2]!))
    const results = await Promise.allSettled(uses)
    expect(results.filter(({ status }) => status === 'fulfilled').length).toBe(1)
    const failures = results.filter((result) => result.status === 'rejected')
    expect(failures.map(({ reason }) => reason.code)).toEqual(Array(9).fill('invalid_token'))
  })

  it('is not used if the transaction is rolled back', async () => {
    const token = await tokens.issue(db.orm, 'password_reset', ann)
    const failing = db.transaction(async (tx) => {
      await tokens.use(tx, 'password_reset', token)
      throw new Error('changed my mind')
    })
    await expect(failing).rejects.toThrow('changed my mind')
    expect(await use('password_reset', token)).toMatchObject(ann)
  })

  it.each(['', '\0', '\ud800', 'x'.repeat(1_000_000)])(
    'is rejected when it is unknown (%#)',
    async (token) => {
      await expect(use('password_reset', token)).rejects.toEqual(invalid)
    },
  )
})
