import { type CryptoKey, compactVerify } from 'jose'
import {
  canonicalJson,
  decodeBase64url,
  decodeJsonObject,
  decodeText,
  encodeText,
  hasExactly,
  hashText,
  isObject,
} from './encoding.ts'
import { KeyError } from './errors.ts'
import { isHash, isInteger, isTimestamp, isUuid } from './fields.ts'
import {
  accountThumbprint,
  isSameKey,
  keyThumbprint,
  type PublicJwk,
  type PublicKeys,
  parsePublicJwk,
} from './jwk.ts'

/** The `typ` in the headers of an entry. A signature of a message can therefore never be taken for one of an entry. */
export const HISTORY_TYPE = 'parley-key-history+jws'

/** The largest entry as JSON, in bytes. */
export const MAX_ENTRY_BYTES = 4096

/** An entry of a key history as it is sent and stored: a JWS in the General JSON Serialization (RFC 7515, section 7.2.1). */
export interface HistoryEntry {
  payload: string
  signatures: { protected: string; signature: string }[]
}

/** What an entry says, and the hashes that follow from it. */
export interface ReadEntry extends PublicKeys {
  user_id: string
  version: number
  /** The hash of the entry before this one; null in the first. */
  previous: string | null
  /** Whether the owner gave up the keys before this entry, so that they did not sign it. */
  reset: boolean
  issued_at: string
  /** The hash of this entry: the head of a history that ends with it. */
  hash: string
  /** The thumbprint of the signing key, which names it in messages. */
  kid: string
  /** The thumbprint of the account: both keys and the user. */
  thumbprint: string
}

/** Reads an entry without checking its signatures or its place. Throws `invalid_entry`, `invalid_key` or `entry_too_large`. */
export async function readEntry(value: unknown): Promise<ReadEntry> {
  return describe(parseEntry(value).payload)
}

/**
 * Checks an entry as the one of this user that follows `previous` (null for the first): its form, keys, version, hash of the
 * previous entry, and signatures. Throws a {@link KeyError} that names what is wrong.
 */
export async function verifyEntry(
  value: unknown,
  userId: string,
  previous: ReadEntry | null,
): Promise<ReadEntry> {
  const entry = parseEntry(value)
  const read = await describe(entry.payload)
  if (read.user_id !== userId) throw new KeyError('wrong_user', 'The entry is of another user.')
  if (read.version !== (previous?.version ?? 0) + 1) {
    throw new KeyError(
      'wrong_version',
      'The version of the entry does not follow that of the entry before it.',
    )
  }
  if (read.previous !== (previous?.hash ?? null)) {
    throw new KeyError('wrong_previous', 'The entry does not name the entry before it.')
  }
  if (read.reset && previous === null)
    throw new KeyError('invalid_entry', 'The first entry cannot be a reset.')
  const signers = [read, ...(previous && !read.reset ? [previous] : [])]
  if (entry.signatures.length !== signers.length) {
    throw new KeyError(
      'wrong_signer',
      `The entry has ${entry.signatures.length} signatures, not ${signers.length}.`,
    )
  }
  await Promise.all(signers.map((signer, index) => verifySignature(entry, index, signer)))
  return read
}

async function verifySignature(entry: HistoryEntry, index: number, signer: ReadEntry): Promise<void> {
  const { protected: encoded, signature } = entry.signatures[index]!
  const header = decodeJsonObject(encoded)
  if (!header || !hasExactly(header, ['alg', 'kid', 'typ']) || header.typ !== HISTORY_TYPE) {
    throw new KeyError('invalid_entry', 'A header of the entry is not {alg, kid, typ} of a key history.')
  }
  if (header.kid !== signer.kid) throw new KeyError('wrong_signer', 'The entry is signed by another key.')
  const key = await importVerifier(signer.signing_key)
  try {
    await compactVerify(`${encoded}.${entry.payload}.${signature}`, key, { algorithms: ['ES256'] })
  } catch {
    throw new KeyError('bad_signature', 'A signature of the entry is not valid.')
  }
}

/** The key for verifying a signature. */
function importVerifier(jwk: PublicJwk): Promise<CryptoKey> {
  return crypto.subtle.importKey('jwk', { ...jwk }, { name: 'ECDSA', namedCurve: 'P-256' }, false, ['verify'])
}

function parseEntry(value: unknown): HistoryEntry {
  if (!isObject(value) || !hasExactly(value, ['payload', 'signatures'])) throw malformed()
  const { payload, signatures } = value
  if (typeof payload !== 'string' || !Array.isArray(signatures) || signatures.length > 2) throw malformed()
  const entry = { payload, signatures: signatures.map(parseSignature) }
  if (encodeText(JSON.stringify(entry)).length > MAX_ENTRY_BYTES) {
    throw new KeyError('entry_too_large', `The entry is larger than ${MAX_ENTRY_BYTES} bytes.`)
  }
  return entry
}

function parseSignature(value: unknown): { protected: string; signature: string } {
  if (!isObject(value) || !hasExactly(value, ['protected', 'signature'])) throw malformed()
  const { protected: header, signature } = value
  if (typeof header !== 'string' || typeof signature !== 'string') throw malformed()
  if (decodeBase64url(signature)?.length !== 64) throw malformed()
  return { protected: header, signature }
}

async function describe(payload: string): Promise<ReadEntry> {
  const content = decodeJsonObject(payload)
  // One spelling only: a member that occurs twice, for example, is read differently by different parsers.
  if (!content || decodeText(decodeBase64url(payload)!) !== canonicalJson(content)) throw malformed()
  const { v, user_id, version, previous, reset, issued_at } = content
  const names = ['v', 'user_id', 'version', 'encryption_key', 'signing_key', 'previous', 'issued_at']
  if (v !== 1 || !hasExactly(content, reset === undefined ? names : [...names, 'reset'])) throw malformed()
  if (!isUuid(user_id) || !isInteger(version, 1) || !isTimestamp(issued_at)) throw malformed()
  if (previous !== null && !isHash(previous)) throw malformed()
  if (reset !== undefined && reset !== true) throw malformed()
  const keys = {
    encryption_key: parsePublicJwk(content.encryption_key),
    signing_key: parsePublicJwk(content.signing_key),
  }
  if (isSameKey(keys.encryption_key, keys.signing_key)) {
    throw new KeyError('invalid_key', 'The encryption key and the signing key are the same.')
  }
  const [hash, kid, thumbprint] = await Promise.all([
    hashText(payload),
    keyThumbprint(keys.signing_key),
    accountThumbprint(user_id, keys),
  ])
  return { user_id, version, ...keys, previous, reset: reset === true, issued_at, hash, kid, thumbprint }
}

function malformed(): KeyError {
  return new KeyError('invalid_entry', 'This is not an entry of a key history.')
}
