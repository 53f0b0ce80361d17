/** What was wrong with a key or an entry of a key history. */
export type KeyErrorCode =
  | 'invalid_key'
  | 'invalid_entry'
  | 'entry_too_large'
  | 'wrong_user'
  | 'wrong_version'
  | 'wrong_previous'
  | 'wrong_signer'
  | 'bad_signature'

/** A key, or an entry of a key history, that does not follow `docs/encryption.md`. */
export class KeyError extends Error {
  override readonly name = 'KeyError'
  readonly code: KeyErrorCode

  constructor(code: KeyErrorCode, message: string) {
    super(message)
    this.code = code
  }
}
