export * from './encoding.ts'
export { KeyError, type KeyErrorCode } from './errors.ts'
export * from './fields.ts'
export {
  type EntrySigner,
  HISTORY_TYPE,
  type HistoryEntry,
  MAX_ENTRY_BYTES,
  type NewEntry,
  type ReadEntry,
  readEntry,
  signEntry,
  verifyEntry,
} from './history-entry.ts'
export {
  accountThumbprint,
  isSameKey,
  keyThumbprint,
  type PrivateJwk,
  type PublicJwk,
  type PublicKeys,
  parsePrivateJwk,
  parsePublicJwk,
  publicHalf,
} from './jwk.ts'
