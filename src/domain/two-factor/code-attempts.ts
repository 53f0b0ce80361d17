import type { Clock } from '../../clock.ts'
import type { Database, Orm } from '../../db/database.ts'
import { AppError } from '../../errors.ts'
import type { MailWorker } from '../mail/mail-worker.ts'
import type { SecurityEventKind, SecurityLog } from '../security/security-log.ts'
import { beginAttempt, type CodeAttempt, type CodeOrigin, endAttempt } from './code-limits.ts'
import { DECOY_USER } from './totp-secrets.ts'

/** A code, and the client that sends it. */
export interface GivenCode {
  code: string
  origin: CodeOrigin
}

export interface CodeAttemptsOptions {
  db: Database
  clock: Clock
  mail: Pick<MailWorker, 'wake'>
  securityLog: Pick<SecurityLog, 'record'>
}

/** Runs attempts to use a code within their limits, and records security events. */
export class CodeAttempts {
  readonly #db: Database
  readonly #clock: Clock
  readonly #mail: CodeAttemptsOptions['mail']
  readonly #securityLog: CodeAttemptsOptions['securityLog']

  constructor({ db, clock, mail, securityLog }: CodeAttemptsOptions) {
    this.#db = db
    this.#clock = clock
    this.#mail = mail
    this.#securityLog = securityLog
  }

  /**
   * Counts an attempt and checks its code, in one transaction. A wrong code commits too: its count must stay.
   * @param check uses the code; returns undefined when it is wrong.
   * @throws AppError `otp_invalid` or `rate_limited`.
   */
  async run<T>(attempt: CodeAttempt, check: (tx: Orm) => Promise<T | undefined>): Promise<T> {
    const result = await this.#db
      .transaction(async (tx) => {
        await beginAttempt(tx, attempt, this.#clock.now())
        const found = await check(tx)
        await endAttempt(tx, attempt, found !== undefined)
        return found
      })
      .catch((error) => {
        if (error instanceof AppError && error.code === 'rate_limited')
          this.record('sign_in_locked', attempt, 'code_tries')
        throw error
      })
    if (result === undefined) {
      this.record('totp_failed', attempt)
      throw new AppError('otp_invalid')
    }
    this.#mail.wake()
    return result
  }

  /** Records a security event of an attempt; the user is left out when the account does not exist. */
  record(
    kind: SecurityEventKind,
    { user: { id }, origin: { ip, userAgent } }: Pick<CodeAttempt, 'user' | 'origin'>,
    reason?: string,
  ): void {
    this.#securityLog.record(kind, { userId: id === DECOY_USER ? undefined : id, ip, userAgent, reason })
  }
}
