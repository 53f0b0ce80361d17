import type { FastifyInstance } from 'fastify'
import { LRUCache } from 'lru-cache'
import type { AccessTokenSigner } from '../domain/sessions/access-tokens.ts'

const MAX_CACHED_TOKENS = 10_000

/**
 * Signs and verifies access tokens with the JWT plugin of the HTTP server. It verifies the signature of each token once and
 * caches the claims. The caller checks what changes over time: the expiry and the session.
 */
export function accessTokenSigner({ jwt }: FastifyInstance): AccessTokenSigner {
  const claimsByToken = new LRUCache<string, object>({ max: MAX_CACHED_TOKENS })

  function verify(token: string): unknown {
    const cached = claimsByToken.get(token)
    if (cached) return cached
    const claims = Object.freeze(jwt.verify<object>(token))
    claimsByToken.set(token, claims)
    return claims
  }

  return { sign: (claims) => jwt.sign(claims), verify }
}
