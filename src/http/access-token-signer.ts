import type { FastifyInstance } from 'fastify'
import type { AccessTokenSigner } from '../domain/access-tokens.ts'

/** Tokens whose signature need not be checked again; beyond, the ones not seen for longest are forgotten. */
const MOST_REMEMBERED = 10_000

/**
 * Signs access tokens with the JWT plugin of the HTTP server. That a signature is good stays true, so it is remembered for the
 * tokens in use; what can change about a token (its time, its session) is for others to judge.
 */
export function accessTokenSigner({ jwt }: FastifyInstance): AccessTokenSigner {
  const remembered = new Map<string, object>()

  function verify(token: string): unknown {
    const claims = remembered.get(token) ?? Object.freeze(jwt.verify<object>(token))
    remembered.delete(token)
    remembered.set(token, claims)
    if (remembered.size > MOST_REMEMBERED) remembered.delete(remembered.keys().next().value as string)
    return claims
  }

  return { sign: (claims) => jwt.sign(claims), verify }
}
