import { WebSocket } from 'ws'
import type {
  Account,
  ClientOptions,
  Credentials,
  PasswordlessSteps,
  Registration,
  Transport,
} from '../client/index.ts'
import {
  passwordless as passwordlessAnywhere,
  register as registerAnywhere,
  resume as resumeAnywhere,
  signIn as signInAnywhere,
} from '../client/index.ts'

export * from '../client/index.ts'
export { fileStore } from './file-store.ts'

/** Node has a WebSocket of its own since version 22. */
const transport: Transport = 'WebSocket' in globalThis ? globalThis.WebSocket : WebSocket

/** Signs in with a password. @throws RejectedError `totp_required` if the account needs a code as well. */
export function signIn(options: ClientOptions & Credentials): Promise<Account> {
  return signInAnywhere({ transport, ...options })
}

/** Creates an account and signs in. */
export function register(options: ClientOptions & Registration): Promise<Account> {
  return registerAnywhere({ transport, ...options })
}

/** Continues the session in the store; undefined if there is none for this server. */
export function resume(options: ClientOptions): Promise<Account | undefined> {
  return resumeAnywhere({ transport, ...options })
}

/** The steps of signing up and signing in without a password. */
export function passwordless(options: ClientOptions): PasswordlessSteps {
  return passwordlessAnywhere({ transport, ...options })
}
