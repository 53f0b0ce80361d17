import { CodeChallengeMethod, OAuth2Client, OAuth2RequestError } from 'arctic'
import { errors, type JWTPayload, type JWTVerifyGetKey, jwtVerify } from 'jose'
import type { Clock } from '../clock.ts'
import type { SocialConfig } from '../config/config.ts'
import type {
  IdentityProvider,
  SignInSecrets,
  VerifiedIdentity,
} from '../domain/accounts/identity-provider.ts'
import type { Log } from '../domain/shared/failure-reporter.ts'
import { isSameSecret } from '../domain/shared/secrets.ts'
import { isStorable } from '../domain/shared/text.ts'
import { AppError } from '../errors.ts'
import { Discovery } from './openid-discovery.ts'
import { withTimeout } from './timeout.ts'

export interface OpenIdProviderOptions extends SocialConfig {
  /** The redirect URI that is registered with the provider. */
  redirectUri: string
  clock: Clock
  log: Log
}

const SCOPES = ['openid', 'email']
/** Asymmetric algorithms only: with a symmetric one, the public key could be misused as the shared secret. */
const ALGORITHMS = ['RS256', 'PS256', 'ES256', 'EdDSA']
/** Tolerated difference between the clocks of two servers. */
const CLOCK_TOLERANCE_S = 60
/** Maximum length of `sub` (Core 1.0, section 2). */
const MAX_SUBJECT_LENGTH = 255
/** Errors of the token endpoint (RFC 6749, section 5.2) caused by the code, not by the client registration. */
const CODE_ERRORS = ['invalid_grant', 'invalid_request']

/** An OpenID Connect provider, used by the authorization code flow with PKCE (Core 1.0, section 3.1). */
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
    const { authorizationEndpoint } = await this.#request(() => this.#discovery.metadata())
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
  ): Promise<VerifiedIdentity> {
    const claims = await this.#request(async () => {
      const { tokenEndpoint, keys } = await this.#discovery.metadata()
      const idToken = await withTimeout(this.#clock, async () => {
        const tokens = await this.#client.validateAuthorizationCode(tokenEndpoint, code, codeVerifier)
        return tokens.idToken()
      })
      return withTimeout(this.#clock, () => this.#verify(idToken, keys))
    })
    return this.#identity(claims, nonce)
  }

  /** Validates an ID token (Core 1.0, section 3.1.3.7), except for the nonce. */
  async #verify(idToken: string, keys: JWTVerifyGetKey): Promise<JWTPayload> {
    const { payload } = await jwtVerify(idToken, keys, {
      issuer: this.issuer,
      audience: this.#clientId,
      algorithms: ALGORITHMS,
      requiredClaims: ['sub', 'exp', 'iat'],
      currentDate: new Date(this.#clock.now()),
      clockTolerance: CLOCK_TOLERANCE_S,
    })
    return payload
  }

  #identity(
    { sub, aud, azp, nonce, email, email_verified }: JWTPayload,
    expectedNonce: string,
  ): VerifiedIdentity {
    const isForUs = azp === this.#clientId || (azp === undefined && [aud].flat().length === 1)
    const isAnswer = typeof nonce === 'string' && isSameSecret(nonce, expectedNonce)
    const isSubject =
      typeof sub === 'string' && sub.length > 0 && sub.length <= MAX_SUBJECT_LENGTH && isStorable(sub)
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

  /** Translates failures: those caused by the browser's response become `sign_in_refused`, others `provider_unavailable`. */
  async #request<T>(work: () => Promise<T>): Promise<T> {
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

  /** Logs the reason, because it may be a wrong clock or client id, which only the operator can fix. */
  #refusal(reason: string, cause?: unknown): AppError {
    this.#log.warn({ issuer: this.issuer, reason }, 'An ID token was rejected')
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
