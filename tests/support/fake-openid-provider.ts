import type { RequestListener } from 'node:http'
import { type CryptoKey, exportJWK, generateKeyPair, type JWTPayload, SignJWT } from 'jose'
import { serve } from './openid-provider.ts'

/**
 * An OpenID Connect provider with responses that a test can change. By default it accepts any code, and returns a valid id_token
 * of `ann@example.com`.
 */
export class FakeOpenIdProvider {
  readonly issuer: string
  /** The requested paths, in order. */
  readonly requests: string[] = []
  /** Handlers that replace the response to a path. */
  readonly handlers = new Map<string, RequestListener>()
  /** The discovery document. */
  document: Record<string, unknown>
  /** The claims of the next id_token. */
  claims: JWTPayload
  keyId = 'first'
  #key: CryptoKey
  #publicKey: CryptoKey

  static async start(clientId: string, now: number): Promise<FakeOpenIdProvider> {
    const keys = await generateKeyPair('ES256')
    let listener: RequestListener = () => {}
    const issuer = await serve((request, response) => listener(request, response))
    const provider = new FakeOpenIdProvider(issuer, keys)
    provider.claims = {
      ...provider.claims,
      aud: clientId,
      iat: Math.floor(now / 1000),
      exp: Math.floor(now / 1000) + 600,
    }
    listener = (request, response) => provider.#answer(request, response)
    return provider
  }

  private constructor(issuer: string, keys: { privateKey: CryptoKey; publicKey: CryptoKey }) {
    this.issuer = issuer
    this.#key = keys.privateKey
    this.#publicKey = keys.publicKey
    this.document = {
      issuer,
      authorization_endpoint: `${issuer}/authorize`,
      token_endpoint: `${issuer}/token`,
      jwks_uri: `${issuer}/keys`,
    }
    this.claims = { iss: issuer, sub: 'ann', email: 'ann@example.com', email_verified: true }
  }

  /** Returns the id_token of the next exchange. A test may replace it. */
  idToken: () => Promise<string> = () => this.sign()

  sign(key: CryptoKey | Uint8Array = this.#key, alg = 'ES256'): Promise<string> {
    return new SignJWT(this.claims).setProtectedHeader({ alg, kid: this.keyId }).sign(key)
  }

  publicJwk() {
    return exportJWK(this.#publicKey)
  }

  /** Rotates the signing key. */
  async rotateKey(): Promise<void> {
    const { privateKey, publicKey } = await generateKeyPair('ES256')
    this.#key = privateKey
    this.#publicKey = publicKey
    this.keyId = 'second'
  }

  #answer: RequestListener = async (request, response) => {
    const path = request.url ?? ''
    this.requests.push(path)
    const handler = this.handlers.get(path)
    if (handler) return handler(request, response)
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify(await this.#body(path)))
  }

  async #body(path: string): Promise<unknown> {
    switch (path) {
      case '/.well-known/openid-configuration':
        return this.document
      case '/keys':
        return { keys: [{ ...(await this.publicJwk()), kid: this.keyId, alg: 'ES256', use: 'sig' }] }
      case '/token':
        return { access_token: 'x', token_type: 'Bearer', id_token: await this.idToken() }
      default:
        return {}
    }
  }
}
