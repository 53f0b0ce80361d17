import type { IdentityKey } from '../db/queries/identities.ts'

/** What ties the answer of a provider to the browser that asked; all three are secret. */
export interface SignInSecrets {
  /** Comes back in the browser, beside the code. */
  state: string
  /** Comes back in the proof that the code is exchanged for. */
  nonce: string
  /** Proves that the code was asked for by who exchanges it (PKCE, RFC 7636). */
  codeVerifier: string
}

/** Who somebody is, as a provider has just proved. */
export interface ProvenIdentity extends IdentityKey {
  /** Absent when the provider does not tell. */
  email: string | undefined
  /** Whether the provider has seen that letters to the address reach them. */
  isEmailVerified: boolean
}

/** Another site that can prove who somebody is. */
export interface IdentityProvider {
  /** Its name for itself: subjects are unique within it. */
  readonly issuer: string
  /**
   * Where to send a browser that is to come back with a code.
   * @throws AppError `provider_unavailable`.
   */
  authorizationUrl(secrets: SignInSecrets): Promise<URL>
  /**
   * Exchanges a code for the identity it stands for.
   * @throws AppError `sign_in_refused`, or `provider_unavailable`.
   */
  identify(code: string, secrets: Pick<SignInSecrets, 'nonce' | 'codeVerifier'>): Promise<ProvenIdentity>
}
