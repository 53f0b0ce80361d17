import { createRemoteJWKSet, type JWTVerifyGetKey } from 'jose'
import { Type } from 'typebox'
import { Compile } from 'typebox/compile'
import type { Clock } from '../clock.ts'
import { withTimeout } from './timeout.ts'

/** The endpoints of a provider, and its signing keys. */
export interface ProviderMetadata {
  authorizationEndpoint: string
  tokenEndpoint: string
  keys: JWTVerifyGetKey
}

/** How long a document is cached. Unknown signing keys are fetched earlier. */
const MAX_AGE_MS = 60 * 60 * 1000

const Metadata = Compile(
  Type.Object({
    issuer: Type.String(),
    authorization_endpoint: Type.String(),
    token_endpoint: Type.String(),
    jwks_uri: Type.String(),
  }),
)

/** The metadata of a provider (OpenID Connect Discovery 1.0), fetched on demand and cached for an hour. */
export class Discovery {
  readonly #issuer: string
  readonly #clock: Clock
  #cached: { metadata: ProviderMetadata; expiresAt: number } | undefined
  #loading: Promise<ProviderMetadata> | undefined

  constructor({ issuer, clock }: { issuer: string; clock: Clock }) {
    this.#issuer = issuer
    this.#clock = clock
  }

  /** @throws if the document cannot be fetched, is of another issuer, or names an endpoint without TLS. */
  async metadata(): Promise<ProviderMetadata> {
    if (this.#cached && this.#cached.expiresAt > this.#clock.now()) return this.#cached.metadata
    this.#loading ??= this.#load().finally(() => {
      this.#loading = undefined
    })
    return this.#loading
  }

  async #load(): Promise<ProviderMetadata> {
    const document = await withTimeout(this.#clock, async (signal) => {
      const url = `${this.#issuer.replace(/\/$/, '')}/.well-known/openid-configuration`
      const response = await fetch(url, {
        signal,
        redirect: 'error',
        headers: { accept: 'application/json' },
      })
      if (!response.ok)
        throw new Error(`The discovery document could not be fetched: HTTP status ${response.status}`)
      return (await response.json()) as unknown
    })
    const metadata = this.#read(document)
    this.#cached = { metadata, expiresAt: this.#clock.now() + MAX_AGE_MS }
    return metadata
  }

  #read(document: unknown): ProviderMetadata {
    if (!Metadata.Check(document)) throw new Error('The discovery document lacks a required field')
    if (document.issuer !== this.#issuer) {
      throw new Error(`The discovery document of ${this.#issuer} names another issuer`)
    }
    const { authorization_endpoint, token_endpoint, jwks_uri } = document
    const isSafe = [authorization_endpoint, token_endpoint, jwks_uri].every((url) => this.#isSafe(url))
    if (!isSafe) throw new Error('The discovery document names an endpoint without https')
    return {
      authorizationEndpoint: authorization_endpoint,
      tokenEndpoint: token_endpoint,
      keys: createRemoteJWKSet(new URL(jwks_uri)),
    }
  }

  /** An issuer that is configured with plain HTTP may also use it for its endpoints. */
  #isSafe(url: string): boolean {
    const safe = this.#issuer.startsWith('https:') ? ['https:'] : ['https:', 'http:']
    return URL.canParse(url) && safe.includes(new URL(url).protocol)
  }
}
