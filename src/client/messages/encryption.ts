import type { MessageCodec } from '../conversations/codec.ts'
import { KeyDirectory } from '../keys/key-directory.ts'
import { AccountKeys } from '../keys/own-keys.ts'
import { VerifiedContacts } from '../keys/verified-contacts.ts'
import type { Session } from '../session/session.ts'
import type { Store } from '../stores/store.ts'
import { encryptedCodec } from './encrypted-codec.ts'
import { MemberRecord } from './member-record.ts'
import { MessageReader } from './message-reader.ts'
import { MessageWriter } from './message-writer.ts'

/** The parts of a client that know keys. */
export interface Encryption {
  directory: KeyDirectory
  keys: AccountKeys
  contacts: VerifiedContacts
  codec: MessageCodec
}

/** Creates the parts of a client that know keys. */
export function openEncryption(session: Session, store: Store): Encryption {
  const directory = new KeyDirectory(session, store)
  const keys = new AccountKeys(session, directory)
  const contacts = new VerifiedContacts({ session, store, directory, unlocked: () => keys.unlocked })
  const reader = new MessageReader({ store, keys, directory, contacts })
  const writer = new MessageWriter({ store, keys, directory, contacts })
  const members = new MemberRecord(store)
  return { directory, keys, contacts, codec: encryptedCodec({ keys, directory, reader, writer, members }) }
}
