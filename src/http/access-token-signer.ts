import type { FastifyInstance } from 'fastify'
import type { AccessTokenSigner } from '../domain/access-tokens.ts'

/** Signs access tokens with the JWT plugin of the HTTP server. */
export function accessTokenSigner({ jwt }: FastifyInstance): AccessTokenSigner {
  return { sign: (claims) => jwt.sign(claims), verify: (token) => jwt.verify(token) }
}
