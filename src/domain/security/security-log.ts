import { v7 as newId } from 'uuid'
import type { Clock } from '../../clock.ts'
import type { Database } from '../../db/database.ts'
import {
  type AuditEvent,
  insertAuditEvents,
  type ListedAuditEvent,
  listAuditEvents,
} from '../../db/queries/security/audit-events.ts'
import { storableDevice } from '../sessions/client-device.ts'
import { FailureReporter, type Log } from '../shared/failure-reporter.ts'
import type { Page, PageTokens } from '../shared/pagination.ts'
import { EventThrottle } from './event-throttle.ts'

export type { ListedAuditEvent } from '../../db/queries/security/audit-events.ts'

/** The security events of OWASP ASVS 5.0, section 16.3, as named in the log. */
export type SecurityEventKind =
  | 'registered'
  | 'registration_denied'
  | 'sign_in'
  | 'sign_in_failed'
  | 'sign_in_locked'
  | 'refresh_token_reused'
  | 'password_changed'
  | 'password_reset'
  | 'email_changed'
  | 'email_verified'
  | 'identity_linked'
  | 'totp_enrolled'
  | 'totp_removed'
  | 'totp_used'
  | 'totp_failed'
  | 'recovery_code_used'
  | 'recovery_codes_replaced'
  | 'keys_created'
  | 'keys_replaced'
  | 'keys_reset'
  | 'session_revoked'
  | 'sessions_revoked'
  | 'socket_refused'
  | 'permission_refused'

/** The account and the client of an event. Never a secret, an email address or a message. */
export interface SecurityEventDetails {
  userId?: string | undefined
  sessionId?: string | undefined
  /** The network address of the client. */
  ip?: string | null | undefined
  userAgent?: string | null | undefined
  /** A fixed word for the cause, if the kind does not imply it. */
  reason?: string | undefined
}

/** See `SecurityLog.prepare`. */
export interface PreparedEvent {
  row: AuditEvent | undefined
  committed(): void
}

/** How long audit events are kept. */
export const RETENTION_MS = 90 * 24 * 60 * 60 * 1000

type SecurityEvent = SecurityEventDetails & { kind: SecurityEventKind }

const SWEEP_INTERVAL_MS = 10_000
/** Kinds that any client can cause at will and that concern no account: their log lines are limited by kind and network address. */
const THROTTLED: ReadonlySet<SecurityEventKind> = new Set(['socket_refused', 'permission_refused'])
/** Log lines for one kind and network address in a window. */
const MAX_LINES = 10
const LINES_WINDOW_MS = 60_000
/** Stored events for one account and kind in a window. */
const MAX_ROWS = 20
const ROWS_WINDOW_MS = 60 * 60 * 1000
/** Events that may wait for the database; further ones are dropped. */
const MAX_PENDING = 10_000
const BATCH_SIZE = 500
const DEFAULT_PAGE_SIZE = 20

const WARNINGS: ReadonlySet<SecurityEventKind> = new Set([
  'registration_denied',
  'sign_in_failed',
  'sign_in_locked',
  'refresh_token_reused',
  'totp_failed',
  'socket_refused',
  'permission_refused',
])

export interface SecurityLogOptions {
  db: Database
  clock: Clock
  log: Log
  pageTokens: PageTokens
}

/**
 * Writes security events to the log, one structured line each, and stores those of an account in `audit_events` for its owner. Floods
 * of one kind are counted instead.
 */
export class SecurityLog {
  readonly #db: Database
  readonly #clock: Clock
  readonly #log: Log
  readonly #pageTokens: PageTokens
  readonly #failures: FailureReporter
  readonly #lineThrottle: EventThrottle<SecurityEvent>
  readonly #rowThrottle: EventThrottle<SecurityEvent>
  #pending: AuditEvent[] = []
  #writing: Promise<void> | undefined
  #cancel = () => {}

  constructor({ db, clock, log, pageTokens }: SecurityLogOptions) {
    this.#pageTokens = pageTokens
    this.#db = db
    this.#clock = clock
    this.#log = log
    this.#failures = new FailureReporter(log, 'Storing security events')
    this.#lineThrottle = new EventThrottle({
      clock,
      max: MAX_LINES,
      windowMs: LINES_WINDOW_MS,
      report: (event, suppressed) => this.#write(event, suppressed),
    })
    this.#rowThrottle = new EventThrottle({
      clock,
      max: MAX_ROWS,
      windowMs: ROWS_WINDOW_MS,
      report: (event, suppressed) => this.#enqueue(event, suppressed),
    })
  }

  /** Starts to report suppressed events and to retry failed inserts, every ten seconds. */
  start(): void {
    this.#cancel = this.#clock.every(SWEEP_INTERVAL_MS, () => {
      this.#lineThrottle.sweep()
      this.#rowThrottle.sweep()
      this.#store()
    })
  }

  /** Records an event; call it after the commit. Never throws, and does not wait for the database. */
  record(kind: SecurityEventKind, details: SecurityEventDetails): void {
    const event = { kind, ...details }
    const { userId, ip } = details
    if (THROTTLED.has(kind)) {
      if (this.#lineThrottle.pass(`${kind} ${ip ?? userId}`, event)) this.#write(event)
      return
    }
    this.#write(event)
    if (userId === undefined) return
    if (this.#rowThrottle.pass(`${userId} ${kind}`, event)) this.#enqueue(event)
  }

  /**
   * Prepares an event that the statement that causes it stores: `row`, unless undefined. Call `committed` after the commit; without
   * it, nothing is recorded.
   */
  prepare(kind: SecurityEventKind, details: SecurityEventDetails & { userId: string }): PreparedEvent {
    const event = { kind, ...details }
    if (!this.#rowThrottle.take(`${details.userId} ${kind}`, event))
      return { row: undefined, committed: () => this.record(kind, details) }
    return { row: this.#rowOf({ ...event, userId: details.userId }), committed: () => this.#write(event) }
  }

  /** The stored events of an account, newest first. */
  async activityOf(
    userId: string,
    { pageSize = DEFAULT_PAGE_SIZE, pageToken }: { pageSize?: number; pageToken?: string },
  ): Promise<Page<ListedAuditEvent>> {
    const scope = ['activity', userId]
    const before = pageToken === undefined ? undefined : this.#pageTokens.open(scope, pageToken)
    const found = await listAuditEvents(this.#db.orm, { userId, before, limit: pageSize + 1 })
    return this.#pageTokens.page(scope, found, pageSize, ({ id }) => id)
  }

  /** Resolves when every recorded event is stored or has failed to be. */
  async stop(): Promise<void> {
    this.#cancel()
    this.#lineThrottle.finish()
    this.#rowThrottle.finish()
    await this.#writing
    this.#store()
    await this.#writing
  }

  #write({ kind, userId, sessionId, ip, reason }: SecurityEvent, suppressed?: number): void {
    const level = WARNINGS.has(kind) ? 'warn' : 'info'
    const line = { security: kind, userId, sessionId, ip: ip ?? undefined, reason, suppressed }
    this.#log[level](line, 'security event')
  }

  #enqueue({ userId, ...event }: SecurityEvent, count = 1): void {
    if (userId === undefined || this.#pending.length >= MAX_PENDING) return
    this.#pending.push(this.#rowOf({ userId, ...event }, count))
    this.#store()
  }

  #rowOf(
    { userId, sessionId, kind, ip, userAgent }: SecurityEvent & { userId: string },
    count = 1,
  ): AuditEvent {
    const insertedAt = this.#clock.now()
    const event = { id: newId(), userId, kind, sessionId: sessionId || null, count, insertedAt }
    return { ...event, ...storableDevice({ ip, userAgent }) }
  }

  #store(): void {
    if (this.#pending.length === 0) return
    this.#writing ??= this.#storeAll().finally(() => {
      this.#writing = undefined
    })
  }

  async #storeAll(): Promise<void> {
    try {
      while (this.#pending.length > 0) {
        const batch = this.#pending.slice(0, BATCH_SIZE)
        await insertAuditEvents(this.#db, batch)
        this.#pending.splice(0, batch.length)
      }
      this.#failures.reportRecovery()
    } catch (error) {
      this.#failures.reportFailure(error)
    }
  }
}
