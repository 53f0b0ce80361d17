import { Account } from './account.ts'
import {
  type ClientOptions,
  type Credentials,
  type OpenSession,
  signIn as openSession,
  type Registration,
  register as registerSession,
  resume as resumeSession,
} from './session/sign-in.ts'

/** Signs in with a password. @throws RejectedError `totp_required` if the account needs a code as well. */
export async function signIn(options: ClientOptions & Credentials): Promise<Account> {
  return open(options, await openSession(options))
}

/** Creates an account and signs in. */
export async function register(options: ClientOptions & Registration): Promise<Account> {
  return open(options, await registerSession(options))
}

/** Continues the session in the store; undefined if there is none for this server. */
export async function resume(options: ClientOptions): Promise<Account | undefined> {
  const opened = await resumeSession(options)
  return opened && open(options, opened)
}

function open({ transport }: ClientOptions, { session, store }: OpenSession): Account {
  return new Account({ session, store, transport })
}
