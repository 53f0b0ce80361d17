import { expect, it } from 'vitest'
import { ResendMailer } from '../../src/infra/resend-mailer.ts'
import { startFakeResend } from '../support/fake-resend.ts'
import { EMAIL } from '../support/mailers.ts'

async function open() {
  const server = await startFakeResend()
  const mailer = new ResendMailer({ apiKey: 're_test', from: 'parley@chat.example', baseUrl: server.url })
  return { mailer, ...server }
}

it('sends its user agent, the sender and the API key', async () => {
  const { mailer, received } = await open()
  await mailer.send(EMAIL)
  expect(received()).toMatchObject([{ from: 'parley@chat.example', authorization: 'Bearer re_test' }])
})

it('uses the same idempotency key for retries of an email, and another for another text', async () => {
  const { mailer, received } = await open()
  await mailer.send(EMAIL)
  await mailer.send(EMAIL)
  await mailer.send({ ...EMAIL, text: 'With a new token' })
  await mailer.send({ ...EMAIL, id: 'another id' })
  const [first, second, third, fourth] = received().map(({ idempotencyKey }) => idempotencyKey)
  expect(first).toMatch(/^an id\/[\w-]+$/)
  expect(second).toBe(first)
  expect(new Set([first, third, fourth]).size).toBe(3)
})

it('throws when the server is unreachable', async () => {
  const mailer = new ResendMailer({ apiKey: 're_test', from: 'a@b.example', baseUrl: 'http://127.0.0.1:1' })
  await expect(mailer.send(EMAIL)).rejects.toMatchObject({ code: 'application_error' })
})
