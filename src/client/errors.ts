/** What the errors of this client have in common. */
export interface ErrorDetails {
  /** A stable code, meant for programs. */
  code: string
  message?: string | undefined
  /** When to try again; absent if trying again does not help. */
  retryAfterMs?: number | undefined
  cause?: unknown
}

/** The base of all errors of this client. */
export class ParleyError extends Error {
  readonly code: string
  readonly retryAfterMs: number | undefined

  constructor({ code, message = code, retryAfterMs, cause }: ErrorDetails) {
    super(message, { cause })
    this.name = 'ParleyError'
    this.code = code
    this.retryAfterMs = retryAfterMs
  }
}

/** The server answered a request or a push with an error; `code` is one of those in its documentation. */
export class RejectedError extends ParleyError {
  /** The status of the HTTP response; absent for a push. */
  readonly status: number | undefined
  /** Messages by the name of the field that is not valid. */
  readonly fields: Record<string, string[]>

  constructor({
    status,
    fields = {},
    ...details
  }: ErrorDetails & { status?: number; fields?: Record<string, string[]> }) {
    super(details)
    this.name = 'RejectedError'
    this.status = status
    this.fields = fields
  }
}

/** The server cannot be reached (`unreachable`), or did not answer (`disconnected`, `timeout`): a push may have taken effect. */
export class ConnectionError extends ParleyError {
  constructor(details: ErrorDetails & { code: 'unreachable' | 'disconnected' | 'timeout' }) {
    super(details)
    this.name = 'ConnectionError'
  }
}

/** Why a session is over. */
export type SignedOutReason = 'signed_out' | 'revoked' | 'expired'

/** The session is over; `code` is the reason. */
export class SignedOutError extends ParleyError {
  readonly reason: SignedOutReason

  constructor(reason: SignedOutReason) {
    super({ code: reason })
    this.name = 'SignedOutError'
    this.reason = reason
  }
}

/** The keys of the account are locked: unlock or create them first. */
export class KeysLockedError extends ParleyError {
  constructor() {
    super({ code: 'keys_locked' })
    this.name = 'KeysLockedError'
  }
}

/** Why some members are not written to. `docs/client.md` explains each. */
export type RecipientsCode =
  | 'unsigned_members'
  | 'members_without_keys'
  | 'keys_rejected'
  | 'keys_reset'
  | 'wrong_members'

/** Some members are not written to; `code` says why. */
export class RecipientsError extends ParleyError {
  readonly userIds: string[]

  constructor(code: RecipientsCode, userIds: string[]) {
    super({ code })
    this.name = 'RecipientsError'
    this.userIds = userIds
  }
}
