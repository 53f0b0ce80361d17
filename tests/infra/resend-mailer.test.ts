import { expect, it } from 'vitest'
import { ResendMailer } from '../../src/infra/resend-mailer.ts'
import { openResendDouble } from '../support/resend-double.ts'

const LETTER = {
  id: 'an id',
  to: 'ann@example.com',
  subject: 'A subject',
  text: 'Some text',
  html: '<p>HTML</p>',
}

async function open() {
  const server = await openResendDouble()
  const mailer = new ResendMailer({ apiKey: 're_test', from: 'parley@chat.example', baseUrl: server.url })
  return { mailer, ...server }
}

it('names itself, the sender and the key', async () => {
  const { mailer, received } = await open()
  await mailer.send(LETTER)
  expect(received()).toMatchObject([{ from: 'parley@chat.example', authorization: 'Bearer re_test' }])
})

it('has one idempotency key for a letter however often it is tried, and another for another text', async () => {
  const { mailer, received } = await open()
  await mailer.send(LETTER)
  await mailer.send(LETTER)
  await mailer.send({ ...LETTER, text: 'With a new token' })
  await mailer.send({ ...LETTER, id: 'another id' })
  const [first, second, third, fourth] = received().map(({ idempotencyKey }) => idempotencyKey)
  expect(first).toMatch(/^an id\/[\w-]+$/)
  expect(second).toBe(first)
  expect(new Set([first, third, fourth]).size).toBe(3)
})

it('throws when nobody listens', async () => {
  const mailer = new ResendMailer({ apiKey: 're_test', from: 'a@b.example', baseUrl: 'http://127.0.0.1:1' })
  await expect(mailer.send(LETTER)).rejects.toMatchObject({ code: 'application_error' })
})
