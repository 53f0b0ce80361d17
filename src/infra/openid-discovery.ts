import { createRemoteJWKSet, type JWTVerifyGetKey } from 'jose'
import { Type } from 'typebox'
import { Compile } from 'typebox/compile'
import type { Clock } from '../clock.ts'
import { within } from './deadline.ts'

/** Where a provider does what, and the keys it signs with. */
export interface ProviderMetadata {
  authorizationEndpoint: string
  tokenEndpoint: string
  keys: JWTVerifyGetKey
}

/** How long a document is believed; keys that are not in it are looked for sooner. */
const MAX_AGE_MS = 60 * 60 * 1000

const Metadata = Compile(
  Type.Object({
    issuer: Type.String(),
    authorization_endpoint: Type.String(),
    token_endpoint: Type.String(),
    jwks_uri: Type.String(),
  }),
)

/** What a provider publishes of itself (OpenID Connect Discovery 1.0), fetched when needed and kept for an hour. */
export class Discovery {
  readonly #issuer: string
  readonly #clock: Clock
  #known: { metadata: ProviderMetadata; expiresAt: number } | undefined
  #loading: Promise<ProviderMetadata> | undefined

  constructor({ issuer, clock }: { issuer: string; clock: Clock }) {
    this.#issuer = issuer
    this.#clock = clock
  }

  /** @throws when the document cannot be had, is another issuer's, or leads to where it could be read by others. */
  async metadata(): Promise<ProviderMetadata> {
    if (this.#known && this.#known.expiresAt > this.#clock.now()) return this.#known.metadata
    this.#loading ??= this.#load().finally(() => {
      this.#loading = undefined
    })
    return this.#loading
  }

  async #load(): Promise<ProviderMetadata> {
    const document = await within(this.#clock, async (signal) => {
      const url = `${this.#issuer.replace(/\/$/, '')}/.well-known/openid-configuration`
      const response = await fetch(url, {
        signal,
        redirect: 'error',
        headers: { accept: 'application/json' },
      })
      if (!response.ok) throw new Error(`The discovery document was answered with ${response.status}`)
      return (await response.json()) as unknown
    })
    const metadata = this.#read(document)
    this.#known = { metadata, expiresAt: this.#clock.now() + MAX_AGE_MS }
    return metadata
  }

  #read(document: unknown): ProviderMetadata {
    if (!Metadata.Check(document)) throw new Error('The discovery document lacks what is needed')
    if (document.issuer !== this.#issuer) {
      throw new Error(`The discovery document of ${this.#issuer} is not its own`)
    }
    const { authorization_endpoint, token_endpoint, jwks_uri } = document
    const isSafe = [authorization_endpoint, token_endpoint, jwks_uri].every((url) => this.#isSafe(url))
    if (!isSafe) throw new Error('The discovery document names an endpoint that is not on https')
    return {
      authorizationEndpoint: authorization_endpoint,
      tokenEndpoint: token_endpoint,
      keys: createRemoteJWKSet(new URL(jwks_uri)),
    }
  }

  /** An issuer on plain HTTP is on a network that is trusted anyway. */
  #isSafe(url: string): boolean {
    const safe = this.#issuer.startsWith('https:') ? ['https:'] : ['https:', 'http:']
    return URL.canParse(url) && safe.includes(new URL(url).protocol)
  }
}
