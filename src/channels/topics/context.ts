import type { Services } from '../../services.ts'
import type { Dialect } from '../../views/dialect.ts'
import type { HiddenUsers } from '../presence/hidden-users.ts'
import type { TypingIndicators } from '../presence/typing.ts'
import type { Guard } from './guard.ts'

/** What the channel definitions share. */
export interface ChannelContext {
  services: Services
  dialect: Dialect
  guard: Guard
  /** The token is optional; an invalid one is rejected. */
  roomGuard: Guard
  typing: TypingIndicators
  hiddenUsers: HiddenUsers
}
