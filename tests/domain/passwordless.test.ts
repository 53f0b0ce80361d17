import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Database } from '../../src/db/database.ts'
import { queueLetter } from '../../src/domain/mail.ts'
import { Passwordless } from '../../src/domain/passwordless.ts'
import { openMail } from '../support/account-services.ts'
import { openTestDatabase, truncateAll } from '../support/database.ts'

const EMAIL = 'ann@example.com'

let db: Database
beforeAll(async () => {
  db = await openTestDatabase()
})
afterAll(() => db.close())
beforeEach(() => truncateAll(db))

function open() {
  const { worker, mailbox, tokens, clock } = openMail(db)
  const passwordless = new Passwordless({ db, clock, tokens, mail: worker })
  return { worker, mailbox, clock, passwordless }
}

function tokenIn({ text }: { text: string }): string {
  return /\/verify-email\/complete\/([\w-]+)\//.exec(text)![1]!
}

describe('proving an address', () => {
  it('takes the token of one letter alone, however many are written at once', async () => {
    const { worker, mailbox, clock, passwordless } = open()
    await passwordless.register({ email: EMAIL })
    await worker.drain()
    const letter = { kind: 'email_verification', userId: null, recipient: EMAIL } as const
    for (let i = 0; i < 8; i++) await queueLetter(db.orm, letter, new Date(clock.now()))
    await worker.drain()
    expect(mailbox.letters).toHaveLength(9)
    const tries = await Promise.all(
      mailbox.letters.map((one) =>
        passwordless.prove(tokenIn(one)).then(
          () => true,
          () => false,
        ),
      ),
    )
    expect(tries.filter(Boolean)).toHaveLength(1)
  })

  it('leaves no token in the database that could be used', async () => {
    const { worker, mailbox, passwordless } = open()
    await passwordless.register({ email: EMAIL })
    await worker.drain()
    const token = tokenIn(mailbox.letters[0]!)
    const [row] = await db.rows<{ hash: Uint8Array }>('select hash from tokens', [])
    expect(Buffer.from(row!.hash).toString('base64url')).not.toBe(token)
    expect(row!.hash).toHaveLength(32)
  })

  it('is asked for by the same work, whether there is an account', async () => {
    const { worker, passwordless } = open()
    await passwordless.register({ email: EMAIL })
    await worker.stop()
    await passwordless.requestProof(EMAIL)
    await passwordless.requestProof('eve@example.com')
    const rows = await db.rows<{ recipient: string; userId: null }>(
      'select recipient, user_id as "userId" from mail_outbox order by recipient',
      [],
    )
    expect(rows).toEqual([
      { recipient: EMAIL, userId: null },
      { recipient: 'eve@example.com', userId: null },
    ])
  })

  it('finds the account again by its address, in any letter case', async () => {
    const { passwordless } = open()
    expect(await passwordless.find('eve@example.com')).toBeUndefined()
    await passwordless.register({ email: EMAIL })
    expect(await passwordless.find('ANN@example.com')).toMatchObject({ email: EMAIL })
  })
})
