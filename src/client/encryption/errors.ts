/** Why something of the format `parley.1` could not be made or opened. Messages that fail have codes of their own: `MessageFailure`. */
export type EncryptionErrorCode =
  // Secrets and what they lock
  | 'weak_secret'
  | 'wrong_secret'
  | 'malformed_lock'
  | 'weak_lock'
  | 'costly_lock'
  | 'invalid_recovery_key'
  // Keys
  | 'invalid_keys'
  | 'wrong_user'
  | 'history_forked'
  | 'history_incomplete'
  // Making messages
  | 'invalid_content'
  | 'message_too_large'
  // Files
  | 'invalid_file_key'
  | 'wrong_size'
  | 'altered_chunk'
  | 'altered_file'
  | 'source_changed'
  // Account data, and the keys of a conversation
  | 'undecryptable'
  | 'bad_signature'
  | 'wrong_name'
  | 'wrong_conversation'

/** What the format library throws, except for {@link KeyError}: an error with a stable `code`. */
export class EncryptionError extends Error {
  override readonly name = 'EncryptionError'
  readonly code: EncryptionErrorCode

  constructor(code: EncryptionErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}
