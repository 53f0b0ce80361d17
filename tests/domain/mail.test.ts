import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import type { Database } from '../../src/db/database.ts'
import { claimOutboxRow } from '../../src/db/queries/outbox.ts'
import { updateUser } from '../../src/db/queries/users.ts'
import type { LetterKind } from '../../src/domain/letters.ts'
import { MailWorker, queueLetter } from '../../src/domain/mail.ts'
import { OneTimeTokens } from '../../src/domain/tokens.ts'
import { addUser, openMail, tokenIn } from '../support/account-services.ts'
import { ManualClock } from '../support/clock.ts'
import { openTestDatabase, truncateAll } from '../support/database.ts'
import { eventually } from '../support/eventually.ts'
import { recordingLogger } from '../support/log.ts'
import { GatedMailer, UnreliableMailer } from '../support/mailers.ts'

const SECOND = 1_000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const EMAIL = 'ann@example.com'

let db: Database
let clock: ManualClock
let ann: string

beforeAll(async () => {
  db = await openTestDatabase()
})
afterAll(() => db.close())
beforeEach(async () => {
  await truncateAll(db)
  clock = new ManualClock()
  ann = await addUser(db, EMAIL)
})

function start(options: Omit<Parameters<typeof openMail>[1] & object, 'clock'> = {}) {
  const mail = openMail(db, { clock, ...options })
  onTestFinished(() => mail.worker.stop())
  return mail
}

function queue(kind: LetterKind, userId: string | null = ann, recipient = EMAIL) {
  return queueLetter(db.orm, { kind, userId, recipient }, new Date(clock.now()))
}

async function rowsLeft(): Promise<number> {
  const [row] = await db.rows<{ count: number }>('select count(*)::float8 as count from mail_outbox', [])
  return row!.count
}

describe('a letter', () => {
  it.each([
    [
      'email_confirmation',
      'Confirm your email address',
      /^https:\/\/chat\.example\/email_confirmation\?token=/,
    ],
    ['password_reset', 'Reset your password', /^https:\/\/chat\.example\/password_reset\?token=/],
    ['email_change', 'Change your email address', /^https:\/\/chat\.example\/email_change\?token=/],
  ] as const)(
    'of kind %s has a link with a token of its own, in text and HTML',
    async (kind, subject, link) => {
      const { worker, mailbox, tokens } = start()
      await queue(kind)
      await worker.drain()
      const [letter] = mailbox.letters
      expect(letter).toMatchObject({ to: EMAIL, subject })
      const inText = /https:\S+/.exec(letter!.text)![0]
      const inHtml = /href="([^"]+)"/.exec(letter!.html)![1]
      expect(inText).toMatch(link)
      expect(inHtml).toBe(inText)
      expect(await tokens.owner(db.orm, kind, tokenIn(letter))).toMatchObject({ id: ann })
      expect(await rowsLeft()).toBe(0)
    },
  )

  it('that an address was changed has nothing to click', async () => {
    const { worker, mailbox } = start()
    await queue('email_changed', ann, 'old@example.com')
    await worker.drain()
    expect(mailbox.letters).toMatchObject([
      { to: 'old@example.com', subject: 'Your email address was changed' },
    ])
    expect(mailbox.letters[0]!.text + mailbox.letters[0]!.html).not.toMatch(/https?:|href/)
  })

  it('escapes what it puts into HTML', async () => {
    const { worker, mailbox } = start({ frontendUrl: `https://chat.example/?a=1&b="><b>'` })
    await queue('email_change')
    await worker.drain()
    expect(mailbox.letters[0]!.html).toContain(
      'href="https://chat.example/?a=1&amp;b=&quot;&gt;&lt;b&gt;&#39;/email',
    )
  })

  it('leaves no secret in the outbox', async () => {
    const mailer = new UnreliableMailer(1)
    const { worker } = start({ mailer })
    await queue('password_reset', null)
    await worker.drain()
    const token = tokenIn(mailer.tried[0])
    const tables = await db.rows(
      'select to_jsonb(o) from mail_outbox o union all select to_jsonb(t) from tokens t',
      [],
    )
    expect(tables.length).toBe(2)
    expect(JSON.stringify(tables)).not.toContain(token)
  })
})

describe('a request to reset a password', () => {
  it('finds the account by its address in any case, and writes to the address it has', async () => {
    const { worker, mailbox } = start()
    await queue('password_reset', null, 'ANN@Example.com')
    await worker.drain()
    expect(mailbox.letters.map(({ to }) => to)).toEqual([EMAIL])
  })

  it('is dropped when nobody has the address', async () => {
    const { worker, mailbox } = start()
    await queue('password_reset', null, 'nobody@example.com')
    await worker.drain()
    expect(mailbox.letters).toEqual([])
    expect(await rowsLeft()).toBe(0)
  })
})

describe('a letter that lost its reason is dropped:', () => {
  it('the user has another address', async () => {
    const { worker, mailbox } = start()
    await queue('email_change', ann, 'before@example.com')
    await worker.drain()
    expect(mailbox.letters).toEqual([])
    expect(await rowsLeft()).toBe(0)
  })

  it('the address is confirmed already', async () => {
    const { worker, mailbox } = start()
    await updateUser(db.orm, ann, { emailConfirmedAt: new Date() }, new Date())
    await queue('email_confirmation')
    await worker.drain()
    expect(mailbox.letters).toEqual([])
    expect(await rowsLeft()).toBe(0)
  })
})

describe('the worker', () => {
  it('sends at once when woken', async () => {
    const { worker, mailbox } = start()
    await queue('email_change')
    worker.wake()
    await eventually(() => expect(mailbox.letters.length).toBe(1))
  })

  it('looks by itself every five seconds', async () => {
    const { worker, mailbox } = start()
    await worker.drain()
    await queue('email_change')
    clock.advance(5 * SECOND)
    await eventually(() => expect(mailbox.letters.length).toBe(1))
  })

  it('sends four letters at a time', async () => {
    const mailer = new GatedMailer()
    const { worker } = start({ mailer })
    for (let i = 0; i < 10; i++) await queue('email_change')
    worker.wake()
    await eventually(() => expect(mailer.waiting).toBe(4))
    mailer.open()
    await worker.drain()
    expect(mailer.most).toBe(4)
    expect(mailer.sent.length).toBe(10)
  })

  it('shares the work with others, and sends each letter once', async () => {
    const [one, other] = [start(), start()]
    for (let i = 0; i < 20; i++) await queue('email_changed', ann, `${i}@example.com`)
    await Promise.all([one.worker.drain(), other.worker.drain()])
    const recipients = [...one.mailbox.letters, ...other.mailbox.letters].map(({ to }) => to)
    expect(recipients.length).toBe(20)
    expect(new Set(recipients).size).toBe(20)
  })

  it('waits, when stopped, for what it is sending, and begins nothing', async () => {
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

  it('sends what a process claimed that died before it sent', async () => {
    await queue('email_change')
    const now = clock.now()
    await claimOutboxRow(db.orm, new Date(now), new Date(now + MINUTE))
    const { worker, mailbox } = start()
    await worker.drain()
    expect(mailbox.letters).toEqual([])
    clock.advance(MINUTE)
    await worker.drain()
    expect(mailbox.letters.length).toBe(1)
  })

  it('does without a mailer by letting letters wait, and says so once', async () => {
    const { logger, lines } = recordingLogger()
    const options = {
      db,
      clock,
      tokens: new OneTimeTokens(clock),
      frontendUrl: '',
      publicUrl: '',
      log: logger,
    }
    const worker = new MailWorker({ ...options, mailer: undefined })
    worker.start()
    await queue('email_change')
    clock.advance(HOUR)
    await worker.drain()
    await worker.stop()
    expect(await rowsLeft()).toBe(1)
    expect(lines.map(({ msg }) => msg)).toEqual(['Letters wait until SMTP_URL or RESEND_API_KEY is set.'])
  })
})

describe('a letter that was not taken', () => {
  it('is tried again after 5 s, 10 s, 20 s … with a new token, while the old one may have arrived', async () => {
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
      expect(mailer.tried.length).toBe(tries)
    }
    expect(mailer.sent.length).toBe(1)
    expect(new Set(mailer.tried.map(({ id }) => id)).size).toBe(1)
    expect(new Set(mailer.tried.map(tokenIn)).size).toBe(4)
    for (const letter of mailer.tried) {
      expect(await tokens.owner(db.orm, 'password_reset', tokenIn(letter))).toMatchObject({ id: ann })
    }
    expect(await rowsLeft()).toBe(0)
  })

  it('is tried at least every hour', async () => {
    const mailer = new UnreliableMailer(15)
    const { worker } = start({ mailer })
    await queue('email_change')
    for (let hour = 0; hour < 16; hour++) {
      await worker.drain()
      clock.advance(HOUR)
    }
    expect(mailer.sent.length).toBe(1)
  })

  it('does not hold up the others', async () => {
    const mailer = new UnreliableMailer(1)
    const { worker } = start({ mailer })
    await queue('email_change')
    await worker.drain()
    await queue('email_confirmation')
    await worker.drain()
    expect(mailer.sent.map(({ subject }) => subject)).toEqual(['Confirm your email address'])
  })

  it('is given up after a day, in one line that names the kind and the cause, and nobody', async () => {
    const mailer = new UnreliableMailer(Number.POSITIVE_INFINITY)
    const { worker, lines, logText } = start({ mailer })
    await queue('email_change')
    for (let hour = 0; hour < 30; hour++) {
      await worker.drain()
      clock.advance(HOUR)
    }
    expect(await rowsLeft()).toBe(0)
    expect(lines).toMatchObject([
      { msg: 'Sending letters fails, and is tried again until it works.', cause: 'EENVELOPE 550' },
      {
        msg: 'A letter could not be sent for a day and is given up.',
        kind: 'email_change',
        cause: 'EENVELOPE 550',
      },
    ])
    expect(logText()).not.toMatch(/example\.com|token=/)
  })
})
