import { decodeBase64url, isObject } from '../../account-keys/encoding.ts'
import { isHash, isInteger, isText, isUuid } from '../../account-keys/fields.ts'

/** A file as a message describes it. */
export interface AttachedFile {
  /** The id under which the encrypted file was uploaded. */
  id: string
  name: string
  /** The media type as the sender's system names it. It says nothing about the bytes. */
  type: string
  /** Bytes before encryption. */
  size: number
  /** The key of the file: 32 bytes in base64url. */
  key: string
  /** The first 7 bytes of all nonces of the file, in base64url. */
  nonce: string
  /** The digest of the encrypted file. */
  digest: string
}

/** The most files of one message. */
export const MAX_FILES = 16

/** The largest file, in bytes: 1 TiB. */
export const MAX_FILE_SIZE = 2 ** 40

/** The longest name of a file, in UTF-16 code units. */
export const MAX_NAME_LENGTH = 255

/** Checks the files of a decoded message. Undefined if one breaks a rule. */
export function parseAttachments(value: unknown): AttachedFile[] | undefined {
  if (!Array.isArray(value) || value.length === 0 || value.length > MAX_FILES) return undefined
  const files = value.map(parseFile).filter((file) => file !== undefined)
  const hasDuplicates = new Set(files.map(({ id }) => id)).size < files.length
  return files.length === value.length && !hasDuplicates ? files : undefined
}

function parseFile(value: unknown): AttachedFile | undefined {
  if (!isObject(value)) return undefined
  const { id, name, type, size, key, nonce, digest } = value
  if (!isUuid(id) || !isText(name) || !isFileName(name) || !isMediaType(type)) return undefined
  if (!isInteger(size, 0) || size > MAX_FILE_SIZE) return undefined
  if (!isBytes(key, 32) || !isBytes(nonce, 7) || !isHash(digest)) return undefined
  return { id, name, type, size, key, nonce, digest }
}

/** Whether messages may carry a name. */
export function isFileName(name: string): boolean {
  const isHarmless = !/[/\\\p{Cc}\p{Bidi_Control}]/u.test(name) && name !== '.' && name !== '..'
  return isHarmless && name.trim() !== '' && name.length <= MAX_NAME_LENGTH
}

/** Whether messages may carry a media type. */
export function isMediaType(value: unknown): value is string {
  return typeof value === 'string' && /^[\w.+-]{1,63}\/[\w.+-]{1,63}$/.test(value)
}

function isBytes(value: unknown, length: number): value is string {
  return typeof value === 'string' && decodeBase64url(value)?.length === length
}
