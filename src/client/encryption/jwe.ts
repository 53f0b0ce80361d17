import { CompactEncrypt, type CryptoKey, compactDecrypt } from 'jose'
import { type Bytes, decodeJsonObject, hasExactly, isBase64url } from '../../account-keys/encoding.ts'

/** The largest count of PBES2 that is accepted: about ten seconds of work. */
export const MAX_PBES2_COUNT = 10_000_000

const FORMS = {
  dir: ['alg', 'enc'],
  'ECDH-ES+A256KW': ['alg', 'enc', 'epk'],
  'PBES2-HS512+A256KW': ['alg', 'enc', 'p2c', 'p2s'],
} as const

/** The ways in which `parley.1` uses compact JWEs (RFC 7516). The content is always encrypted by A256GCM. */
export type JweAlgorithm = keyof typeof FORMS

/** Encrypts to a compact JWE. The key is a CryptoKey for ECDH-ES and raw bytes for the others. */
export function encryptJwe(
  alg: JweAlgorithm,
  key: CryptoKey | Uint8Array,
  plaintext: Uint8Array,
  parameters: { p2c?: number } = {},
): Promise<string> {
  const encrypt = new CompactEncrypt(plaintext).setProtectedHeader({ alg, enc: 'A256GCM' })
  if (parameters.p2c) encrypt.setKeyManagementParameters({ p2c: parameters.p2c })
  return encrypt.encrypt(key)
}

/**
 * The header of a compact JWE if it has exactly the members that `alg` requires. Others, such as `zip`, `crit` and `apu`, are not
 * part of the format, and a receiver that ignores or follows them does more than it should.
 */
export function readJweHeader(alg: JweAlgorithm, jwe: string): Record<string, unknown> | undefined {
  const [encoded = '', ...parts] = jwe.split('.')
  if (parts.length !== 4 || !parts.every(isBase64url) || (parts[0] === '') !== (alg === 'dir'))
    return undefined
  const header = decodeJsonObject(encoded)
  if (!header || header.alg !== alg || header.enc !== 'A256GCM') return undefined
  return hasExactly(header, FORMS[alg]) ? header : undefined
}

/** Decrypts a compact JWE of which the header was read. Undefined if the key does not open it. */
export async function decryptJwe(
  alg: JweAlgorithm,
  jwe: string,
  key: CryptoKey | Uint8Array,
): Promise<Bytes | undefined> {
  try {
    const { plaintext } = await compactDecrypt(jwe, key, {
      keyManagementAlgorithms: [alg],
      contentEncryptionAlgorithms: ['A256GCM'],
      maxPBES2Count: MAX_PBES2_COUNT,
    })
    return new Uint8Array(plaintext)
  } catch {
    return undefined
  }
}

/** The same for a JWE that was encrypted to one of an account's keys, newest first. */
export async function decryptByAny(jwe: string, keys: readonly CryptoKey[]): Promise<Bytes | undefined> {
  for (const key of keys) {
    const plaintext = await decryptJwe('ECDH-ES+A256KW', jwe, key)
    if (plaintext) return plaintext
  }
  return undefined
}
