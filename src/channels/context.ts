import type { Services } from '../services.ts'
import type { Dialect } from '../views/dialect.ts'
import type { Broadcasts } from './broadcasts.ts'
import type { Guard } from './guard.ts'
import type { Typing } from './typing.ts'
import type { Visibility } from './visibility.ts'

/** What the families of channels work with. */
export interface ChannelContext {
  services: Services
  dialect: Dialect
  guard: Guard
  /** Asks for no token, but refuses a wrong one. */
  roomGuard: Guard
  broadcasts: Broadcasts
  typing: Typing
  visibility: Visibility
}
