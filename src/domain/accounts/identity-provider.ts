import type { IdentityKey } from '../../db/queries/accounts/identities.ts'

/** Bind the response of a provider to the browser that started the sign-in. All three are secret. */
export interface SignInSecrets {
  /** Returned by the browser with the code (RFC 6749, section 10.12). */
  state: string
  /** Returned in the ID token (OpenID Connect Core 1.0, section 3.1.2.1). */
  nonce: string
  /** PKCE (RFC 7636). */
  codeVerifier: string
}

/** An identity that a provider has verified. */
export interface VerifiedIdentity extends IdentityKey {
  /** Undefined when the provider does not send it. */
  email: string | undefined
  /** Whether the provider has verified the address. */
  isEmailVerified: boolean
}

/** An OpenID Connect provider. */
export interface IdentityProvider {
  /** Its issuer identifier; subjects are unique within it. */
  readonly issuer: string
  /**
   * The URL to which the browser is redirected.
   * @throws AppError `provider_unavailable`.
   */
  authorizationUrl(secrets: SignInSecrets): Promise<URL>
  /**
   * Exchanges a code for an identity.
   * @throws AppError `sign_in_refused`, or `provider_unavailable`.
   */
  identify(code: string, secrets: Pick<SignInSecrets, 'nonce' | 'codeVerifier'>): Promise<VerifiedIdentity>
}
