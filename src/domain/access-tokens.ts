import { AppError } from '../errors.ts'

/** What an access token says once it is believed. */
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

/** Signs and checks JWTs; it judges no times, the server's clock does. */
export interface AccessTokenSigner {
  sign(claims: JwtClaims): string
  /** The claims of a token with a good signature, whatever they are; throws for any other. */
  verify(token: string): unknown
}

/** How long an access token is good. */
export const ACCESS_TOKEN_MS = 30 * 60 * 1000

/** Makes the access token of a session. */
export function signAccessToken(
  signer: AccessTokenSigner,
  session: { userId: string; sessionId: string },
  now: number,
): string {
  const iat = Math.floor(now / 1000)
  return signer.sign({ sub: session.userId, sid: session.sessionId, iat, exp: iat + ACCESS_TOKEN_MS / 1000 })
}

/**
 * Reads an access token.
 * @throws AppError `token_missing`, `token_invalid` or `token_expired`.
 */
export function readAccessToken(
  signer: AccessTokenSigner,
  token: string | undefined,
  now: number,
): AccessClaims {
  if (!token) throw new AppError('token_missing')
  const { sub, sid, exp } = verified(signer, token)
  const expiresAt = exp * 1000
  if (expiresAt <= now) throw new AppError('token_expired')
  return { userId: sub, sessionId: sid, expiresAt }
}

function verified(signer: AccessTokenSigner, token: string): JwtClaims {
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
