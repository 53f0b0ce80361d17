import { CompactSign, type CryptoKey, compactVerify } from 'jose'
import {
  decodeBase64url,
  decodeJsonObject,
  decodeText,
  encodeText,
  hasExactly,
  parseJsonObject,
} from '../../account-keys/encoding.ts'

/** What a signature is for: the `typ` of its header. */
export type JwsType = 'parley+jws' | 'parley-data+jws'

/** A compact JWS whose signature is not checked yet. */
export interface UnverifiedJws {
  text: string
  kid: string
}

/** Signs a text as a compact JWS (RFC 7515) by ES256. */
export function signJws(typ: JwsType, kid: string, privateKey: CryptoKey, text: string): Promise<string> {
  return new CompactSign(encodeText(text)).setProtectedHeader({ alg: 'ES256', kid, typ }).sign(privateKey)
}

/** Reads which key signed a compact JWS. Undefined if it does not have exactly the header of this type. */
export function readJws(typ: JwsType, text: string): UnverifiedJws | undefined {
  const [encoded = '', , signature, ...more] = text.split('.')
  const header = decodeJsonObject(encoded)
  if (!header || !hasExactly(header, ['alg', 'kid', 'typ']) || more.length > 0) return undefined
  if (signature === undefined || decodeBase64url(signature)?.length !== 64) return undefined
  const { alg, kid } = header
  return alg === 'ES256' && header.typ === typ && typeof kid === 'string' ? { text, kid } : undefined
}

/** The JSON object that a JWS signs; undefined if it is none, and `bad_signature` if the key did not sign it. */
export async function verifyJws(
  { text }: UnverifiedJws,
  publicKey: CryptoKey,
): Promise<Record<string, unknown> | undefined | 'bad_signature'> {
  try {
    const { payload } = await compactVerify(text, publicKey, { algorithms: ['ES256'] })
    return parseJsonObject(decodeText(payload))
  } catch {
    return 'bad_signature'
  }
}
