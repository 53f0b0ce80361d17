import type { KeyDirectory } from '../keys/key-directory.ts'
import type { AccountKeys } from '../keys/own-keys.ts'
import type { VerifiedContacts } from '../keys/verified-contacts.ts'
import type { Store } from '../stores/store.ts'

/** What reading and writing messages needs: the store, and the keys of the user and of others. */
export interface MessageParts {
  store: Store
  keys: AccountKeys
  directory: KeyDirectory
  contacts: VerifiedContacts
}
