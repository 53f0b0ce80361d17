import type { Clock } from './clock.ts'
import type { Accounts } from './domain/accounts.ts'
import type { Conversations } from './domain/conversations.ts'
import type { EventBus } from './domain/events.ts'
import type { MediaLibrary } from './domain/media.ts'
import type { Messages } from './domain/messages.ts'
import type { Passwordless } from './domain/passwordless.ts'
import type { RoomCatchUp } from './domain/room-catch-up.ts'
import type { RoomDirectory } from './domain/room-directory.ts'
import type { RoomLife } from './domain/room-life.ts'
import type { Rooms } from './domain/rooms.ts'
import type { Sessions } from './domain/sessions.ts'
import type { SocialLogin } from './domain/social-login.ts'
import type { Totp } from './domain/totp.ts'

/** What routes and channels work with: the rules of the chat, and the events they emit. */
export interface Services {
  clock: Clock
  events: EventBus
  accounts: Accounts
  passwordless: Passwordless
  totp: Totp
  sessions: Sessions
  conversations: Conversations
  messages: Messages
  media: MediaLibrary
  rooms: Rooms
  roomCatchUp: RoomCatchUp
  roomDirectory: RoomDirectory
  roomLife: RoomLife
  socialLogin: SocialLogin
}
