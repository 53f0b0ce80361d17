import type { Clock } from './clock.ts'
import type { AccountData } from './domain/account-keys/account-data.ts'
import type { AccountKeys } from './domain/account-keys/account-keys.ts'
import type { AccountEmails } from './domain/accounts/account-emails.ts'
import type { AccountPasswords } from './domain/accounts/account-passwords.ts'
import type { Accounts } from './domain/accounts/accounts.ts'
import type { Passwordless } from './domain/accounts/passwordless.ts'
import type { SocialLogin } from './domain/accounts/social-login.ts'
import type { UserDirectory } from './domain/accounts/user-directory.ts'
import type { Attachments } from './domain/attachments/attachments.ts'
import type { Conversations } from './domain/conversations/conversations.ts'
import type { Messages } from './domain/conversations/messages.ts'
import type { MediaLibrary } from './domain/media/media-library.ts'
import type { RoomPresence } from './domain/presence/room-presence.ts'
import type { RoomCatchUp } from './domain/rooms/room-catch-up.ts'
import type { RoomDirectory } from './domain/rooms/room-directory.ts'
import type { Rooms } from './domain/rooms/rooms.ts'
import type { SecurityLog } from './domain/security/security-log.ts'
import type { KnownDevices } from './domain/sessions/known-devices.ts'
import type { Sessions } from './domain/sessions/sessions.ts'
import type { SignIn } from './domain/sessions/sign-in.ts'
import type { EventBus } from './domain/shared/events.ts'
import type { Totp } from './domain/two-factor/totp.ts'
import type { TotpEnrolment } from './domain/two-factor/totp-enrolment.ts'

/** The services that routes and channels call. */
export interface Services {
  clock: Clock
  events: EventBus
  accounts: Accounts
  accountData: AccountData
  accountKeys: AccountKeys
  accountEmails: AccountEmails
  accountPasswords: AccountPasswords
  directory: UserDirectory
  passwordless: Passwordless
  totp: Totp
  totpEnrolment: TotpEnrolment
  signIn: SignIn
  knownDevices: KnownDevices
  sessions: Sessions
  conversations: Conversations
  messages: Messages
  attachments: Attachments
  media: MediaLibrary
  rooms: Rooms
  roomCatchUp: RoomCatchUp
  roomDirectory: RoomDirectory
  roomPresence: RoomPresence
  socialLogin: SocialLogin
  securityLog: SecurityLog
}
