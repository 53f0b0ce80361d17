import { CodeChallengeMethod, OAuth2Client, OAuth2RequestError } from 'arctic'
import { errors, type JWTPayload, type JWTVerifyGetKey, jwtVerify } from 'jose'
import type { Clock } from '../clock.ts'
import type { SocialConfig } from '../config.ts'
import type { IdentityProvider, ProvenIdentity, SignInSecrets } from '../domain/identity-provider.ts'
import type { Log } from '../domain/outage.ts'
import { isSameSecret } from '../domain/secrets.ts'
import { isStorable } from '../domain/text.ts'
import { AppError } from '../errors.ts'
import { within } from './deadline.ts'
import { Discovery } from './openid-discovery.ts'

export interface OpenIdProviderOptions extends SocialConfig {
  /** Where the browser comes back to, as the provider was told. */
  redirectUri: string
  clock: Clock
  log: Log
}

const SCOPES = ['openid', 'email']
/** What Google and others sign with; none that a public key could be misused for as a shared secret. */
const ALGORITHMS = ['RS256', 'PS256', 'ES256', 'EdDSA']
/** Seconds that two servers' clocks may be apart. */
const CLOCK_TOLERANCE = 60
/** Of an OpenID Connect subject (Core 1.0, section 2). */
const SUBJECT_LENGTH = 255
/** Errors of a token endpoint (RFC 6749, section 5.2) that the code is to blame for, and not our registration. */
const CODE_ERRORS = ['invalid_grant', 'invalid_request']

/** One OpenID Connect provider, by authorization code with PKCE (Core 1.0, section 3.1). */
export class OpenIdProvider implements IdentityProvider {
  readonly issuer: string
  readonly #clientId: string
  readonly #client: OAuth2Client
  readonly #discovery: Discovery
  readonly #clock: Clock
  readonly #log: Log

  constructor({ issuer, clientId, clientSecret, redirectUri, clock, log }: OpenIdProviderOptions) {
    this.issuer = issuer
    this.#clientId = clientId
    this.#client = new OAuth2Client(clientId, clientSecret, redirectUri)
    this.#discovery = new Discovery({ issuer, clock })
    this.#clock = clock
    this.#log = log
  }

  async authorizationUrl({ state, nonce, codeVerifier }: SignInSecrets): Promise<URL> {
    const { authorizationEndpoint } = await this.#ask(() => this.#discovery.metadata())
    const url = this.#client.createAuthorizationURLWithPKCE(
      authorizationEndpoint,
      state,
      CodeChallengeMethod.S256,
      codeVerifier,
      SCOPES,
    )
    url.searchParams.set('nonce', nonce)
    return url
  }

  async identify(
    code: string,
    { nonce, codeVerifier }: Pick<SignInSecrets, 'nonce' | 'codeVerifier'>,
  ): Promise<ProvenIdentity> {
    const claims = await this.#ask(async () => {
      const { tokenEndpoint, keys } = await this.#discovery.metadata()
      const idToken = await within(this.#clock, async () => {
        const tokens = await this.#client.validateAuthorizationCode(tokenEndpoint, code, codeVerifier)
        return tokens.idToken()
      })
      return within(this.#clock, () => this.#verify(idToken, keys))
    })
    return this.#identity(claims, nonce)
  }

  /** Core 1.0, section 3.1.3.7, but for the nonce. */
  async #verify(idToken: string, keys: JWTVerifyGetKey): Promise<JWTPayload> {
    const { payload } = await jwtVerify(idToken, keys, {
      issuer: this.issuer,
      audience: this.#clientId,
      algorithms: ALGORITHMS,
      requiredClaims: ['sub', 'exp', 'iat'],
      currentDate: new Date(this.#clock.now()),
      clockTolerance: CLOCK_TOLERANCE,
    })
    return payload
  }

  #identity(
    { sub, aud, azp, nonce, email, email_verified }: JWTPayload,
    expectedNonce: string,
  ): ProvenIdentity {
    const isForUs = azp === this.#clientId || (azp === undefined && [aud].flat().length === 1)
    const isAnswer = typeof nonce === 'string' && isSameSecret(nonce, expectedNonce)
    const isSubject =
      typeof sub === 'string' && sub.length > 0 && sub.length <= SUBJECT_LENGTH && isStorable(sub)
    if (!isForUs) throw this.#refusal('azp')
    if (!isAnswer) throw this.#refusal('nonce')
    if (!isSubject) throw this.#refusal('sub')
    return {
      issuer: this.issuer,
      subject: sub,
      email: typeof email === 'string' ? email : undefined,
      isEmailVerified: email_verified === true,
    }
  }

  /** Tells what is wrong with the answer of a browser from what is wrong with the provider. */
  async #ask<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (cause) {
      if (cause instanceof OAuth2RequestError && CODE_ERRORS.includes(cause.code)) {
        throw new AppError('sign_in_refused', { cause })
      }
      if (isBadToken(cause)) throw this.#refusal(cause.message, cause)
      throw new AppError('provider_unavailable', { cause })
    }
  }

  /** A clock that is wrong, or a client of another name, must not go unnoticed by the operator. */
  #refusal(reason: string, cause?: unknown): AppError {
    this.#log.warn({ issuer: this.issuer, reason }, 'An identity token of a provider was not accepted')
    return new AppError('sign_in_refused', { cause })
  }
}

const TOKEN_ERRORS = [
  errors.JWTClaimValidationFailed,
  errors.JWTExpired,
  errors.JWTInvalid,
  errors.JWSInvalid,
  errors.JWSSignatureVerificationFailed,
  errors.JOSEAlgNotAllowed,
  errors.JOSENotSupported,
  errors.JWKSNoMatchingKey,
]

function isBadToken(error: unknown): error is errors.JOSEError {
  return TOKEN_ERRORS.some((type) => error instanceof type)
}
