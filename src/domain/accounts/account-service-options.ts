import type { Clock } from '../../clock.ts'
import type { Database } from '../../db/database.ts'
import type { MailWorker } from '../mail/mail-worker.ts'
import type { Sessions } from '../sessions/sessions.ts'
import type { OneTimeTokens } from './one-time-tokens.ts'

/** The dependencies of services that change credentials, end sessions and queue emails. */
export interface AccountServiceOptions {
  db: Database
  clock: Clock
  sessions: Pick<Sessions, 'revokeAllIn' | 'announce'>
  tokens: OneTimeTokens
  mail: Pick<MailWorker, 'wake'>
}
