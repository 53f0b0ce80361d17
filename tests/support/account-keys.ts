import { CompactEncrypt, type CryptoKey, exportJWK, generateKeyPair } from 'jose'
import {
  encodeText,
  type HistoryEntry,
  type PublicJwk,
  parsePublicJwk,
  type ReadEntry,
  readEntry,
} from '../../src/account-keys/index.ts'
import { type EntrySigner, signEntry } from '../../src/account-keys/sign-entry.ts'

/** The body of `PUT /api/keys`. */
export interface KeySetBody {
  encryption_key: PublicJwk
  signing_key: PublicJwk
  locked: string
  entry: HistoryEntry
}

/** A version of a key set, with what the next one is made from. */
export interface TestKeySet {
  body: KeySetBody
  read: ReadEntry
  signer: EntrySigner
  /** How members of a conversation receive it. */
  publicKeys: { version: number; encryption_key: PublicJwk; signing_key: PublicJwk }
}

interface NextKeySet {
  /** The version before, if any. */
  after?: TestKeySet
  /** Whether the owner has lost the keys of the version before. */
  reset?: boolean
  /** Whether to keep the keys, as when the passphrase changes. */
  sameKeys?: boolean
}

/** The `p2c` that the server demands at least. */
export const MIN_P2C = 600_000

let locked: Promise<string> | undefined

/** Makes the next version of a user's key set, as a client does. */
export async function makeKeySet(
  userId: string,
  { after, reset = false, sameKeys = false }: NextKeySet = {},
): Promise<TestKeySet> {
  const encryptionKey = sameKeys && after ? after.body.encryption_key : (await newPair('ECDH-ES')).publicKey
  const signer = sameKeys && after ? after.signer : await newPair('ES256')
  const entry = await signEntry({
    userId,
    encryptionKey,
    signer,
    issuedAt: new Date(),
    previous: after?.read ?? null,
    ...(after && !reset && { previousSigner: after.signer }),
  })
  const read = await readEntry(entry)
  // Deriving a key from a passphrase takes a while, and the server cannot tell one locked half from another.
  locked ??= lock()
  const keys = { encryption_key: encryptionKey, signing_key: signer.publicKey }
  const body = { ...keys, locked: await locked, entry }
  return { body, read, signer, publicKeys: { version: read.version, ...keys } }
}

/** Stores the first or the next key set of a user. */
export async function storeKeys(
  { url }: { url: string },
  { id, token }: { id: string; token: string },
  after?: TestKeySet,
): Promise<TestKeySet> {
  const set = await makeKeySet(id, after && { after })
  const response = await fetch(`${url}/api/keys`, {
    method: 'PUT',
    headers: {
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      ...(after ? { 'if-match': `"${after.read.version}"` } : { 'if-none-match': '*' }),
    },
    body: JSON.stringify(set.body),
  })
  if (response.status !== 200) throw new Error(await response.text())
  return set
}

/** A pair of P-256 keys for an algorithm. */
export async function newPair(algorithm: 'ECDH-ES' | 'ES256'): Promise<EntrySigner> {
  const { publicKey, privateKey } = await generateKeyPair(algorithm, { crv: 'P-256', extractable: true })
  return { publicKey: await publicJwk(publicKey), privateKey }
}

/** Encrypts private keys under a passphrase. */
export async function lock({
  p2c = MIN_P2C,
  alg = 'PBES2-HS512+A256KW',
  enc = 'A256GCM',
}: {
  p2c?: number
  alg?: string
  enc?: string
} = {}): Promise<string> {
  const jwe = new CompactEncrypt(encodeText('{"v":1,"keys":[]}')).setProtectedHeader({ alg, enc })
  return jwe.setKeyManagementParameters({ p2c }).encrypt(encodeText('four brave otters sing'))
}

async function publicJwk(key: CryptoKey): Promise<PublicJwk> {
  const { crv, kty, x, y } = await exportJWK(key)
  return parsePublicJwk({ crv, kty, x, y })
}
