import { expect, it } from 'vitest'
import { SmtpMailer } from '../../src/infra/smtp-mailer.ts'
import { EMAIL } from '../support/mailers.ts'
import { openSmtpServer } from '../support/smtp-server.ts'

const FROM = 'parley@chat.example'
it('sends to one address, whatever characters it contains', async () => {
  const { url, received } = await openSmtpServer()
  await new SmtpMailer({ url, from: FROM }).send({ ...EMAIL, to: 'ann,ben@example.com' })
  expect(received().map(({ to }) => to)).toEqual(['"ann,ben"@example.com'])
})

it('throws when the server is unreachable', async () => {
  const { url, received } = await openSmtpServer()
  const unreachable = url.replace(/\d+$/, '1')
  await expect(new SmtpMailer({ url: unreachable, from: FROM }).send(EMAIL)).rejects.toMatchObject({
    code: expect.stringMatching(/^E/),
  })
  expect(received()).toEqual([])
})
