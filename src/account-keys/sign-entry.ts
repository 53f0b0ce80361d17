import { CompactSign, type CryptoKey } from 'jose'
import { canonicalJson, encodeText } from './encoding.ts'
import { HISTORY_TYPE, type HistoryEntry, type ReadEntry } from './history-entry.ts'
import { keyThumbprint, type PublicJwk } from './jwk.ts'

/** A key that signs an entry: its public half as a JWK and its private half for WebCrypto. */
export interface EntrySigner {
  publicKey: PublicJwk
  privateKey: CryptoKey
}

/** What a new entry is made of. */
export interface NewEntry {
  userId: string
  encryptionKey: PublicJwk
  signer: EntrySigner
  issuedAt: Date
  /** The last entry of the history; null for the first one of an account. */
  previous: ReadEntry | null
  /** The signing key of the last entry; absent where the account lost it, which makes a reset. */
  previousSigner?: EntrySigner
}

/** Makes the next entry of a history. */
export async function signEntry(entry: NewEntry): Promise<HistoryEntry> {
  const { previous, previousSigner, signer } = entry
  const content = {
    v: 1,
    user_id: entry.userId,
    version: (previous?.version ?? 0) + 1,
    encryption_key: entry.encryptionKey,
    signing_key: signer.publicKey,
    previous: previous?.hash ?? null,
    ...(previous && !previousSigner && { reset: true }),
    issued_at: entry.issuedAt.toISOString(),
  }
  const payload = encodeText(canonicalJson(content))
  const own = await sign(payload, signer)
  const signatures = [own, ...(previous && previousSigner ? [await sign(payload, previousSigner)] : [])]
  return {
    payload: own.payload,
    signatures: signatures.map(({ protected: header, signature }) => ({ protected: header, signature })),
  }
}

async function sign(payload: Uint8Array, { publicKey, privateKey }: EntrySigner) {
  const header = { alg: 'ES256', kid: await keyThumbprint(publicKey), typ: HISTORY_TYPE }
  const compact = await new CompactSign(payload).setProtectedHeader(header).sign(privateKey)
  const [encoded, content, signature] = compact.split('.') as [string, string, string]
  return { payload: content, protected: encoded, signature }
}
