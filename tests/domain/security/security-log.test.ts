import { beforeEach, expect, it, onTestFinished } from 'vitest'
import { SecurityLog } from '../../../src/domain/security/security-log.ts'
import { Janitor } from '../../../src/domain/sessions/janitor.ts'
import { PageTokens } from '../../../src/domain/shared/pagination.ts'
import { addUser, SECRET } from '../../support/account-services.ts'
import { ManualClock } from '../../support/clock.ts'
import { eventually } from '../../support/eventually.ts'
import { recordingLogger } from '../../support/log.ts'
import { setUpEmptyDatabase } from '../../support/set-up-database.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE

const db = setUpEmptyDatabase()
let ann: string

beforeEach(async () => {
  ann = await addUser(db, 'ann@example.com')
})

function openSecurityLog() {
  const clock = new ManualClock()
  const { logger, lines } = recordingLogger()
  const securityLog = new SecurityLog({ db, clock, log: logger, pageTokens: new PageTokens(SECRET) })
  securityLog.start()
  onTestFinished(() => securityLog.stop())
  return { securityLog, clock, lines }
}

function countRows() {
  return db.rows<{ kind: string; rows: number; events: number }>(
    `select kind, count(*)::int as rows, sum(count)::int as events from audit_events group by kind order by kind`,
    [],
  )
}

it('logs an event as one line without the user agent, and stores it for its owner', async () => {
  const { securityLog, clock, lines } = openSecurityLog()
  securityLog.record('sign_in_failed', {
    userId: ann,
    ip: '192.0.2.1',
    userAgent: 'Phone',
    reason: 'password',
  })
  await securityLog.stop()
  expect(lines).toHaveLength(1)
  expect(lines[0]).toMatchObject({
    level: 40,
    msg: 'security event',
    security: 'sign_in_failed',
    userId: ann,
    ip: '192.0.2.1',
    reason: 'password',
  })
  expect(lines[0]).not.toHaveProperty('userAgent')
  const { items, pageToken } = await securityLog.activityOf(ann, {})
  expect(pageToken).toBeNull()
  expect(items).toEqual([
    {
      id: expect.any(String),
      kind: 'sign_in_failed',
      sessionId: null,
      ip: '192.0.2.1',
      userAgent: 'Phone',
      count: 1,
      insertedAt: new Date(clock.now()),
    },
  ])
})

it('stores twenty rows of a flood per hour and counts the rest, without affecting other kinds', async () => {
  const { securityLog, clock } = openSecurityLog()
  for (let i = 0; i < 5_000; i++)
    securityLog.record('sign_in_failed', { userId: ann, ip: `192.0.2.${i % 250}` })
  securityLog.record('password_changed', { userId: ann, ip: '192.0.2.1' })
  clock.advance(HOUR)
  await securityLog.stop()
  expect(await countRows()).toEqual([
    { kind: 'password_changed', rows: 1, events: 1 },
    { kind: 'sign_in_failed', rows: 21, events: 5_000 },
  ])
})

it('logs ten refusals a minute from one address and counts the rest', () => {
  const { securityLog, clock, lines } = openSecurityLog()
  for (let i = 0; i < 1_000; i++) securityLog.record('socket_refused', { ip: '192.0.2.1', reason: 'token' })
  securityLog.record('socket_refused', { ip: '192.0.2.2', reason: 'origin' })
  expect(lines).toHaveLength(11)
  expect(lines[10]).toMatchObject({ ip: '192.0.2.2', reason: 'origin' })
  clock.advance(MINUTE + 10_000)
  expect(lines).toHaveLength(12)
  expect(lines[11]).toMatchObject({ security: 'socket_refused', ip: '192.0.2.1', suppressed: 990 })
  securityLog.record('socket_refused', { ip: '192.0.2.1', reason: 'token' })
  expect(lines).toHaveLength(13)
})

it('bounds its memory and log with any number of addresses', () => {
  const { securityLog, lines } = openSecurityLog()
  for (let i = 0; i < 50_000; i++) securityLog.record('socket_refused', { ip: `2001:db8::${i.toString(16)}` })
  expect(lines.length).toBeLessThanOrEqual(10_010)
})

it('retries a failed insert, and stores each event once', async () => {
  const { securityLog, clock, lines } = openSecurityLog()
  await db.rows('alter table audit_events rename to hidden_events', [])
  try {
    securityLog.record('sign_in', { userId: ann })
    await eventually(() => expect(lines).toHaveLength(2))
    securityLog.record('sign_in', { userId: ann })
    clock.advance(MINUTE)
  } finally {
    await db.rows('alter table hidden_events rename to audit_events', [])
  }
  clock.advance(MINUTE)
  await securityLog.stop()
  expect(await countRows()).toEqual([{ kind: 'sign_in', rows: 2, events: 2 }])
})

it('accepts any user agent, and ignores deleted users', async () => {
  const { securityLog } = openSecurityLog()
  securityLog.record('sign_in', { userId: '00000000-0000-7000-8000-000000000000' })
  securityLog.record('sign_in', { userId: ann, userAgent: '\0\ud800' })
  securityLog.record('sign_in', { userId: ann, userAgent: 'x'.repeat(10_000) })
  await securityLog.stop()
  const { items } = await securityLog.activityOf(ann, {})
  expect(items.map(({ userAgent }) => userAgent)).toEqual(['x'.repeat(500), null])
})

it('keeps rows for 90 days', async () => {
  const { securityLog, clock } = openSecurityLog()
  securityLog.record('sign_in', { userId: ann })
  await securityLog.stop()
  const { logger: log } = recordingLogger()
  const rowsAfter = async (ms: number) => {
    const later = new ManualClock(clock.now() + ms)
    await new Janitor({ db, clock: later, log, endExpired: async () => 0 }).removeExpired()
    return (await countRows()).length
  }
  expect(await rowsAfter(90 * 24 * HOUR - 1)).toBe(1)
  expect(await rowsAfter(90 * 24 * HOUR)).toBe(0)
})
