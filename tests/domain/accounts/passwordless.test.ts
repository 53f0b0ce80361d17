import { describe, expect, it } from 'vitest'
import { NewUsers } from '../../../src/domain/accounts/new-users.ts'
import { Passwordless } from '../../../src/domain/accounts/passwordless.ts'
import { queueEmail } from '../../../src/domain/mail/outbox.ts'
import { openMail } from '../../support/account-services.ts'
import { setUpEmptyDatabase } from '../../support/set-up-database.ts'

const EMAIL = 'ann@example.com'

const db = setUpEmptyDatabase()

function open() {
  const { worker, mailbox, tokens, clock } = openMail(db)
  const sessions = { revokeAllIn: async () => [], announce: () => {} }
  const passwordless = new Passwordless({
    db,
    clock,
    newUsers: new NewUsers({ theme: 'day' }),
    tokens,
    mail: worker,
    sessions,
  })
  return { worker, mailbox, clock, passwordless }
}

function tokenIn({ text }: { text: string }): string {
  return /\/verify-email\/complete\/([\w-]+)\//.exec(text)![1]!
}

describe('verifying an address', () => {
  it('accepts the token of one email only, however many are sent at the same time', async () => {
    const { worker, mailbox, clock, passwordless } = open()
    await passwordless.register({ email: EMAIL })
    await worker.drain()
    const email = { kind: 'email_verification', userId: null, recipient: EMAIL } as const
    for (let i = 0; i < 8; i++) await queueEmail(db.orm, email, new Date(clock.now()))
    await worker.drain()
    expect(mailbox.emails).toHaveLength(9)
    const tries = await Promise.all(
      mailbox.emails.map((one) =>
        passwordless.verify(tokenIn(one)).then(
          () => true,
          () => false,
        ),
      ),
    )
    expect(tries.filter(Boolean)).toHaveLength(1)
  })

  it('stores only the hash of the token', async () => {
    const { worker, mailbox, passwordless } = open()
    await passwordless.register({ email: EMAIL })
    await worker.drain()
    const token = tokenIn(mailbox.emails[0]!)
    const [row] = await db.rows<{ hash: Uint8Array }>('select hash from tokens', [])
    expect(Buffer.from(row!.hash).toString('base64url')).not.toBe(token)
    expect(row!.hash).toHaveLength(32)
  })

  it('queues the same email whether or not the account exists', async () => {
    const { worker, passwordless } = open()
    await passwordless.register({ email: EMAIL })
    await worker.stop()
    await passwordless.requestVerification(EMAIL)
    await passwordless.requestVerification('eve@example.com')
    const rows = await db.rows<{ recipient: string; userId: null }>(
      'select recipient, user_id as "userId" from mail_outbox order by recipient',
      [],
    )
    expect(rows).toEqual([
      { recipient: EMAIL, userId: null },
      { recipient: 'eve@example.com', userId: null },
    ])
  })

  it('finds the account by its address in any letter case', async () => {
    const { passwordless } = open()
    expect(await passwordless.find('eve@example.com')).toBeUndefined()
    await passwordless.register({ email: EMAIL })
    expect(await passwordless.find('ANN@example.com')).toMatchObject({ email: EMAIL })
  })
})
