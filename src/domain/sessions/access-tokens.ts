import { AppError } from '../../errors.ts'

/** The claims of a verified access token. */
export interface AccessClaims {
  userId: string
  sessionId: string
  /** Milliseconds since the epoch. */
  expiresAt: number
}

/** The claims of the JWT itself (RFC 7519): times are whole seconds since the epoch. */
export interface JwtClaims {
  sub: string
  sid: string
  iat: number
  exp: number
}

/** Signs and verifies JWTs. Expiry is not checked here: callers use the server's clock. */
export interface AccessTokenSigner {
  sign(claims: JwtClaims): string
  /** The claims of a token with a valid signature. @throws for any other token. */
  verify(token: string): unknown
}

/** Characters; issued tokens have a few hundred. */
const MAX_TOKEN_LENGTH = 2_048

/** An access token expires after this time, or with its session. */
export const ACCESS_TOKEN_LIFETIME_MS = 30 * 60 * 1000

/** Issues an access token for a session. */
export function signAccessToken(
  signer: AccessTokenSigner,
  session: { userId: string; sessionId: string; expiresAt: Date },
  now: number,
): string {
  const iat = Math.floor(now / 1000)
  const exp = Math.min(iat + ACCESS_TOKEN_LIFETIME_MS / 1000, Math.floor(session.expiresAt.getTime() / 1000))
  return signer.sign({ sub: session.userId, sid: session.sessionId, iat, exp })
}

/**
 * Verifies an access token and its expiry.
 * @throws AppError `token_missing`, `token_invalid` or `token_expired`.
 */
export function readAccessToken(
  signer: AccessTokenSigner,
  token: string | undefined,
  now: number,
): AccessClaims {
  if (!token) throw new AppError('token_missing')
  const { sub, sid, exp } = readClaims(signer, token)
  const expiresAt = exp * 1000
  if (expiresAt <= now) throw new AppError('token_expired')
  return { userId: sub, sessionId: sid, expiresAt }
}

function readClaims(signer: AccessTokenSigner, token: string): JwtClaims {
  // A token is parsed before its signature is verified.
  if (token.length > MAX_TOKEN_LENGTH) throw new AppError('token_invalid')
  let claims: unknown
  try {
    claims = signer.verify(token)
  } catch (cause) {
    throw new AppError('token_invalid', { cause })
  }
  if (!isJwtClaims(claims)) throw new AppError('token_invalid')
  return claims
}

function isJwtClaims(claims: unknown): claims is JwtClaims {
  const { sub, sid, exp } = (claims ?? {}) as Partial<JwtClaims>
  return typeof sub === 'string' && typeof sid === 'string' && typeof exp === 'number'
}
