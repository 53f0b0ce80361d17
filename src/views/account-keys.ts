import type { AccountDatum, DataSummary } from '../domain/account-keys/account-data.ts'
import type { AccountPublicKeys, KeySet, QueriedKeys } from '../domain/account-keys/account-keys.ts'
import type { DomainEvents } from '../domain/shared/events.ts'
import type { Dialect } from './dialect.ts'

/** The public keys of an account. */
export function publicKeysView({ version, encryptionKey, signingKey }: AccountPublicKeys) {
  return { version, encryption_key: encryptionKey, signing_key: signingKey }
}

/** `account_keys`: the public keys of the members who have a key set. */
export function accountKeysView(keys: ReadonlyMap<string, AccountPublicKeys>) {
  return Object.fromEntries([...keys].map(([userId, own]) => [userId, publicKeysView(own)]))
}

/** The key set of the caller. */
export function keySetView(dialect: Dialect, set: KeySet) {
  const { thumbprint, locked, updatedAt } = set
  return { ...publicKeysView(set), thumbprint, locked, updated_at: dialect.time(updatedAt) }
}

/** `keys_changed`: a user has another version of their key set. */
export function keysChangedView({
  userId,
  version,
  thumbprint,
}: Omit<DomainEvents['account_keys_changed'], 'contactIds'>) {
  return { user_id: userId, version, thumbprint }
}

/** The keys of a user in the response to a query. */
export function queriedKeysView({ userId, thumbprint, history, ...keys }: QueriedKeys) {
  return { user_id: userId, ...publicKeysView(keys), thumbprint, ...(history && { history }) }
}

/** Data of an account, without its content. */
export function dataSummaryView(dialect: Dialect, { name, version, size, updatedAt }: DataSummary) {
  return { name, version, size, updated_at: dialect.time(updatedAt) }
}

/** Data of an account. */
export function dataView(dialect: Dialect, datum: AccountDatum) {
  return { ...dataSummaryView(dialect, datum), data: datum.data }
}
