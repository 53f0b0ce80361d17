import { expect, it } from 'vitest'
import { DevMailbox } from '../../src/infra/dev-mailbox.ts'
import { ManualClock } from '../support/clock.ts'
import { EMAIL } from '../support/mailers.ts'

it('shows the content and the time of an email', async () => {
  const mailbox = new DevMailbox(new ManualClock(Date.UTC(2026, 0, 2, 3, 4, 5, 678)))
  await mailbox.send(EMAIL)
  const { id: _id, ...shown } = EMAIL
  expect(mailbox.emails).toEqual([{ ...shown, sent_at: '2026-01-02T03:04:05.678Z' }])
})

it('keeps the latest 200 emails, newest first', async () => {
  const mailbox = new DevMailbox(new ManualClock())
  for (let i = 1; i <= 201; i++) await mailbox.send({ ...EMAIL, subject: `Email ${i}` })
  const subjects = mailbox.emails.map(({ subject }) => subject)
  expect(subjects.length).toBe(200)
  expect([subjects[0], subjects[199]]).toEqual(['Email 201', 'Email 2'])
})
