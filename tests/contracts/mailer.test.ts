import { describe, expect, it } from 'vitest'
import type { Email, Mailer } from '../../src/domain/mail/mail-worker.ts'
import { DevMailbox } from '../../src/infra/dev-mailbox.ts'
import { ResendMailer } from '../../src/infra/resend-mailer.ts'
import { SmtpMailer } from '../../src/infra/smtp-mailer.ts'
import { ManualClock } from '../support/clock.ts'
import { startFakeResend } from '../support/fake-resend.ts'
import { openSmtpServer } from '../support/smtp-server.ts'

type Received = Pick<Email, 'to' | 'subject' | 'text' | 'html'>

/** A mailer, and the server that receives its emails. */
interface MailerContext {
  mailer: Mailer
  received(): readonly Received[]
  /** Makes the server refuse further emails; absent for a mailer that cannot fail. */
  refuse?(): void
}

const FROM = 'Parley <parley@chat.example>'

const mailers: Record<string, () => Promise<MailerContext>> = {
  async DevMailbox() {
    const mailbox = new DevMailbox(new ManualClock())
    return { mailer: mailbox, received: () => mailbox.emails.toReversed() }
  },
  async SmtpMailer() {
    const server = await openSmtpServer()
    return { ...server, mailer: new SmtpMailer({ url: server.url, from: FROM }) }
  },
  async ResendMailer() {
    const server = await startFakeResend()
    return { ...server, mailer: new ResendMailer({ apiKey: 're_test', from: FROM, baseUrl: server.url }) }
  },
}

const LINK = `https://chat.example/password_reset?token=${'aB3-_'.repeat(9)}`

function email(changes: Partial<Email> = {}): Email {
  return {
    id: '01890a5d-ac96-774b-bcce-b302099a8057',
    to: 'ann@example.com',
    subject: 'Reset your password',
    text: `Choose a new password:\n${LINK}\n`,
    html: `<p><a href="${LINK}">Choose a new password</a></p>`,
    ...changes,
  }
}

describe.each(Object.entries(mailers))('%s', (_name, open) => {
  it('delivers an email with an unbroken link in text and HTML', async () => {
    const { mailer, received } = await open()
    await mailer.send(email())
    const [delivered] = received()
    expect(delivered).toMatchObject({ to: 'ann@example.com', subject: 'Reset your password' })
    expect(delivered!.text).toContain(`Choose a new password:\n${LINK}`)
    expect(delivered!.html).toContain(`<a href="${LINK}">`)
  })

  it('delivers emails in order', async () => {
    const { mailer, received } = await open()
    for (const to of ['ann@example.com', 'ben@example.com', 'cleo@example.com'])
      await mailer.send(email({ to }))
    expect(received().map(({ to }) => to)).toEqual(['ann@example.com', 'ben@example.com', 'cleo@example.com'])
  })

  it('resolves after the server has accepted the email', async () => {
    const { mailer, received } = await open()
    await Promise.all([mailer.send(email()), mailer.send(email()), mailer.send(email())])
    expect(received().length).toBe(3)
  })
})

// An in-memory mailer cannot fail.
const { DevMailbox: _memory, ...remoteMailers } = mailers

describe.each(Object.entries(remoteMailers))('%s', (_name, open) => {
  it('throws an error without the address when the email is refused', async () => {
    const { mailer, received, refuse } = await open()
    refuse!()
    const code = await mailer.send(email()).catch((error) => error.code)
    expect(code).toMatch(/^\w+$/)
    expect(received()).toEqual([])
  })
})
