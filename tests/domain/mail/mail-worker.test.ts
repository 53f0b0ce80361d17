import { beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { updateUser } from '../../../src/db/queries/accounts/users.ts'
import { claimOutboxRow } from '../../../src/db/queries/mail/outbox.ts'
import { OneTimeTokens } from '../../../src/domain/accounts/one-time-tokens.ts'
import { type EmailKind, emailDetails } from '../../../src/domain/mail/email-templates.ts'
import { MailWorker } from '../../../src/domain/mail/mail-worker.ts'
import { queueEmail } from '../../../src/domain/mail/outbox.ts'
import { emailLinks } from '../../../src/http/email-links.ts'
import { addUser, openMail, tokenIn } from '../../support/account-services.ts'
import { ManualClock } from '../../support/clock.ts'
import { eventually } from '../../support/eventually.ts'
import { recordingLogger } from '../../support/log.ts'
import { GatedMailer, UnreliableMailer } from '../../support/mailers.ts'
import { setUpEmptyDatabase } from '../../support/set-up-database.ts'

const SECOND = 1_000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const EMAIL = 'ann@example.com'

const db = setUpEmptyDatabase()
let clock: ManualClock
let ann: string

beforeEach(async () => {
  clock = new ManualClock()
  ann = await addUser(db, EMAIL)
})

function start(options: Omit<Parameters<typeof openMail>[1] & object, 'clock'> = {}) {
  const mail = openMail(db, { clock, ...options })
  onTestFinished(() => mail.worker.stop())
  return mail
}

function queue(kind: EmailKind, userId: string | null = ann, recipient = EMAIL) {
  return queueEmail(db.orm, { kind, userId, recipient }, new Date(clock.now()))
}

async function rowsLeft(): Promise<number> {
  const [row] = await db.rows<{ count: number }>('select count(*)::float8 as count from mail_outbox', [])
  return row!.count
}

describe('an email', () => {
  it.each([
    [
      'email_confirmation',
      'Confirm your email address',
      /^https:\/\/chat\.example\/email_confirmation\?token=/,
    ],
    ['password_reset', 'Reset your password', /^https:\/\/chat\.example\/password_reset\?token=/],
    ['email_change', 'Change your email address', /^https:\/\/chat\.example\/email_change\?token=/],
  ] as const)('of kind %s has a link with its own token, in text and HTML', async (kind, subject, link) => {
    const { worker, mailbox, tokens } = start()
    await queue(kind)
    await worker.drain()
    const [email] = mailbox.emails
    expect(email).toMatchObject({ to: EMAIL, subject })
    const inText = /https:\S+/.exec(email!.text)![0]
    const inHtml = /href="([^"]+)"/.exec(email!.html)![1]
    expect(inText).toMatch(link)
    expect(inHtml).toBe(inText)
    expect(await tokens.owner(db.orm, kind, tokenIn(email))).toMatchObject({ id: ann })
    expect(await rowsLeft()).toBe(0)
  })

  it('that reports a changed address has no link', async () => {
    const { worker, mailbox } = start()
    await queue('email_changed', ann, 'old@example.com')
    await worker.drain()
    expect(mailbox.emails).toMatchObject([
      { to: 'old@example.com', subject: 'Your email address was changed' },
    ])
    expect(mailbox.emails[0]!.text + mailbox.emails[0]!.html).not.toMatch(/https?:|href/)
  })

  it.each([
    ['password_changed', 'Your password was changed'],
    ['totp_added', 'An authenticator app was added'],
    ['totp_removed', 'Your authenticator app was removed'],
    ['recovery_code_used', 'A recovery code was used'],
    ['recovery_codes_replaced', 'Your recovery codes were replaced'],
    ['identity_linked', 'A sign-in method was added'],
  ] as const)('of kind %s says when and from where the change was made', async (kind, subject) => {
    const { worker, mailbox } = start()
    const details = emailDetails(
      { ip: '192.0.2.1', userAgent: 'Phone' },
      new Date('2026-11-21T16:05:36.123Z'),
    )
    await queueEmail(db.orm, { kind, userId: ann, recipient: EMAIL, details }, new Date(clock.now()))
    await worker.drain()
    const [email] = mailbox.emails
    expect(email).toMatchObject({ to: EMAIL, subject })
    for (const body of [email!.text, email!.html]) {
      expect(body).toContain('on 2026-11-21 at 16:05 UTC, from the network address 192.0.2.1.')
      expect(body).not.toMatch(/https?:|href/)
    }
  })

  it('escapes what it puts into HTML', async () => {
    const { worker, mailbox } = start({ frontendUrl: `https://chat.example/?a=1&b="><b>'` })
    await queue('email_change')
    await worker.drain()
    expect(mailbox.emails[0]!.html).toContain(
      'href="https://chat.example/?a=1&amp;b=&quot;&gt;&lt;b&gt;&#39;/email',
    )
  })

  it('leaves no secret in the outbox', async () => {
    const mailer = new UnreliableMailer(1)
    const { worker } = start({ mailer })
    await queue('password_reset', null)
    await worker.drain()
    const token = tokenIn(mailer.attempts[0])
    const tables = await db.rows(
      'select to_jsonb(o) from mail_outbox o union all select to_jsonb(t) from tokens t',
      [],
    )
    expect(tables.length).toBe(2)
    expect(JSON.stringify(tables)).not.toContain(token)
  })
})

describe('a request to reset a password', () => {
  it('finds the account by its address in any letter case, and sends to the stored address', async () => {
    const { worker, mailbox } = start()
    await queue('password_reset', null, 'ANN@Example.com')
    await worker.drain()
    expect(mailbox.emails.map(({ to }) => to)).toEqual([EMAIL])
  })

  it('is dropped when no account has the address', async () => {
    const { worker, mailbox } = start()
    await queue('password_reset', null, 'nobody@example.com')
    await worker.drain()
    expect(mailbox.emails).toEqual([])
    expect(await rowsLeft()).toBe(0)
  })
})

describe('an obsolete email is dropped:', () => {
  it('the user has another address', async () => {
    const { worker, mailbox } = start()
    await queue('email_change', ann, 'before@example.com')
    await worker.drain()
    expect(mailbox.emails).toEqual([])
    expect(await rowsLeft()).toBe(0)
  })

  it('the address is already confirmed', async () => {
    const { worker, mailbox } = start()
    await updateUser(db.orm, ann, { emailConfirmedAt: new Date() }, new Date())
    await queue('email_confirmation')
    await worker.drain()
    expect(mailbox.emails).toEqual([])
    expect(await rowsLeft()).toBe(0)
  })
})

describe('the worker', () => {
  it('sends immediately when woken', async () => {
    const { worker, mailbox } = start()
    await queue('email_change')
    worker.wake()
    await eventually(() => expect(mailbox.emails.length).toBe(1))
  })

  it('polls every five seconds', async () => {
    const { worker, mailbox } = start()
    await worker.drain()
    await queue('email_change')
    clock.advance(5 * SECOND)
    await eventually(() => expect(mailbox.emails.length).toBe(1))
  })

  it('sends four emails concurrently', async () => {
    const mailer = new GatedMailer()
    const { worker } = start({ mailer })
    for (let i = 0; i < 10; i++) await queue('email_change')
    worker.wake()
    await eventually(() => expect(mailer.waiting).toBe(4))
    mailer.open()
    await worker.drain()
    expect(mailer.maxWaiting).toBe(4)
    expect(mailer.sent.length).toBe(10)
  })

  it('shares the outbox with other workers, and sends each email once', async () => {
    const [one, other] = [start(), start()]
    for (let i = 0; i < 20; i++) await queue('email_changed', ann, `${i}@example.com`)
    await Promise.all([one.worker.drain(), other.worker.drain()])
    const recipients = [...one.mailbox.emails, ...other.mailbox.emails].map(({ to }) => to)
    expect(recipients.length).toBe(20)
    expect(new Set(recipients).size).toBe(20)
  })

  it('waits for emails in progress when stopped, and starts no others', async () => {
    const mailer = new GatedMailer()
    const { worker } = start({ mailer })
    for (let i = 0; i < 6; i++) await queue('email_change')
    worker.wake()
    await eventually(() => expect(mailer.waiting).toBe(4))
    const stopped = worker.stop()
    mailer.open()
    await stopped
    expect(mailer.sent.length).toBe(4)
    expect(await rowsLeft()).toBe(2)
  })

  it('sends an email that a crashed process had claimed', async () => {
    await queue('email_change')
    const now = clock.now()
    await claimOutboxRow(db.orm, new Date(now), new Date(now + MINUTE))
    const { worker, mailbox } = start()
    await worker.drain()
    expect(mailbox.emails).toEqual([])
    clock.advance(MINUTE)
    await worker.drain()
    expect(mailbox.emails.length).toBe(1)
  })

  it('keeps emails queued without a mailer, and logs that once', async () => {
    const { logger, lines } = recordingLogger()
    const options = {
      db,
      clock,
      tokens: new OneTimeTokens(clock),
      links: emailLinks({ frontendUrl: '', publicUrl: '' }),
      log: logger,
    }
    const worker = new MailWorker({ ...options, mailer: undefined })
    worker.start()
    await queue('email_change')
    clock.advance(HOUR)
    await worker.drain()
    await worker.stop()
    expect(await rowsLeft()).toBe(1)
    expect(lines.map(({ msg }) => msg)).toEqual([
      'Emails are queued and not sent: set SMTP_URL or RESEND_API_KEY.',
    ])
  })
})

describe('an email that was not accepted', () => {
  it('is retried after 5 s, 10 s, 20 s … with a new token; earlier tokens stay valid', async () => {
    const mailer = new UnreliableMailer(3)
    const { worker, tokens } = start({ mailer })
    await queue('password_reset', null)
    await worker.drain()
    for (const [seconds, tries] of [
      [4, 1],
      [1, 2],
      [9, 2],
      [1, 3],
      [19, 3],
      [1, 4],
    ] as const) {
      clock.advance(seconds * SECOND)
      await worker.drain()
      expect(mailer.attempts.length).toBe(tries)
    }
    expect(mailer.sent.length).toBe(1)
    expect(new Set(mailer.attempts.map(({ id }) => id)).size).toBe(1)
    expect(new Set(mailer.attempts.map(tokenIn)).size).toBe(4)
    for (const email of mailer.attempts) {
      expect(await tokens.owner(db.orm, 'password_reset', tokenIn(email))).toMatchObject({ id: ann })
    }
    expect(await rowsLeft()).toBe(0)
  })

  it('is retried at least every hour', async () => {
    const mailer = new UnreliableMailer(15)
    const { worker } = start({ mailer })
    await queue('email_change')
    for (let hour = 0; hour < 16; hour++) {
      await worker.drain()
      clock.advance(HOUR)
    }
    expect(mailer.sent.length).toBe(1)
  })

  it('does not delay others', async () => {
    const mailer = new UnreliableMailer(1)
    const { worker } = start({ mailer })
    await queue('email_change')
    await worker.drain()
    await queue('email_confirmation')
    await worker.drain()
    expect(mailer.sent.map(({ subject }) => subject)).toEqual(['Confirm your email address'])
  })

  it('is dropped after a day, with a log line of kind and cause and no personal data', async () => {
    const mailer = new UnreliableMailer(Number.POSITIVE_INFINITY)
    const { worker, lines, logText } = start({ mailer })
    await queue('email_change')
    for (let hour = 0; hour < 30; hour++) {
      await worker.drain()
      clock.advance(HOUR)
    }
    expect(await rowsLeft()).toBe(0)
    expect(lines).toMatchObject([
      { msg: 'Sending emails failed. It is retried until it succeeds.', cause: 'EENVELOPE 550' },
      {
        msg: 'An email was not sent within 24 hours and is dropped.',
        kind: 'email_change',
        cause: 'EENVELOPE 550',
      },
    ])
    expect(logText()).not.toMatch(/example\.com|token=/)
  })
})
