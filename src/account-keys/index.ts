// Making entries (sign-entry.ts) is imported from there: it is code that few readers need, and that a bundler loads apart.
export * from './encoding.ts'
export { KeyError, type KeyErrorCode } from './errors.ts'
export * from './fields.ts'
export {
  HISTORY_TYPE,
  type HistoryEntry,
  MAX_ENTRY_BYTES,
  type ReadEntry,
  readEntry,
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
