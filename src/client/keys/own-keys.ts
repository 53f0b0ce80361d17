import type { PublicJwk } from '../../account-keys/jwk.ts'
import { Emitter } from '../emitter.ts'
import type { KeyChange } from '../encryption/key-set.ts'
import { checkKeys, importOwnKeys, type OwnKeys } from '../encryption/own-keys.ts'
import { KeysLockedError, RejectedError } from '../errors.ts'
import type { Session } from '../session/session.ts'
import type { WireKeySet } from '../wire.ts'
import type { KeyDirectory } from './key-directory.ts'

/** The private keys in use, and the public key to encrypt one's own copies with. */
export interface UnlockedKeys extends OwnKeys {
  encryptionKey: PublicJwk
}

/** What the keys of an account announce. */
export interface OwnKeysEvents {
  unlocked: undefined
  /** The private keys were forgotten: by `lock`, or because another device has replaced them. */
  locked: undefined
}

/**
 * The keys of the account. The server stores the private ones, which it cannot read: they are locked under a passphrase or a recovery
 * key, here called the secret. It must not be the password of the account.
 */
export class AccountKeys extends Emitter<OwnKeysEvents> {
  readonly #session: Session
  readonly #directory: KeyDirectory
  #unlocked: UnlockedKeys | undefined

  constructor(session: Session, directory: KeyDirectory) {
    super()
    this.#session = session
    this.#directory = directory
    directory.on('changed', ({ userId }) => {
      if (userId === session.user.id) this.#checkCurrent()
    })
  }

  get isUnlocked(): boolean {
    return this.#unlocked !== undefined
  }

  /** Whether the account has keys. */
  async exist(): Promise<boolean> {
    return (await this.#read()) !== undefined
  }

  /** A new recovery key, to be used as the secret and shown to the user once: 128 random bits in groups. */
  async generateRecoveryKey(): Promise<string> {
    const { generateRecoveryKey } = await import('../on-demand.ts')
    return generateRecoveryKey()
  }

  /** Makes the first keys of the account. @throws RejectedError `precondition_failed` if it has keys. */
  async create(secret: string): Promise<void> {
    const { createKeys } = await import('../on-demand.ts')
    await this.#store(await createKeys(this.#input(secret)), { 'if-none-match': '*' })
  }

  /** Fetches the private keys and unlocks them. @throws RejectedError `no_keys`, EncryptionError `wrong_secret` */
  async unlock(secret: string): Promise<void> {
    const { keys } = await this.#open(secret)
    await this.#import(keys)
    this.emit('unlocked', undefined)
  }

  /** Forgets the private keys. */
  lock(): void {
    if (!this.#unlocked) return
    this.#unlocked = undefined
    this.emit('locked', undefined)
  }

  /** Replaces the keys. The old ones sign the change, and stay for reading old messages. */
  async rotate(secret: string): Promise<void> {
    const { keys, last, version } = await this.#open(secret)
    const { rotateKeys } = await import('../on-demand.ts')
    await this.#store(await rotateKeys(this.#input(secret), keys, last), ifMatch(version))
  }

  /** Locks the same keys under another secret. */
  async changePassphrase(secret: string, newSecret: string): Promise<void> {
    const { keys, last, version } = await this.#open(secret)
    const { relockKeys } = await import('../on-demand.ts')
    await this.#store(await relockKeys(this.#input(newSecret), keys, last), ifMatch(version))
  }

  /**
   * Replaces keys whose secret is lost. Earlier messages cannot be read any more, and others see that the keys were replaced.
   * @throws RejectedError `reauthentication_required` unless the session was opened within ten minutes.
   */
  async reset(newSecret: string): Promise<void> {
    const { version } = await this.#current()
    const last = await this.#last()
    const { resetKeys } = await import('../on-demand.ts')
    await this.#store(await resetKeys(this.#input(newSecret), last), ifMatch(version))
  }

  /** The private keys. @throws KeysLockedError @internal */
  get unlocked(): UnlockedKeys {
    if (!this.#unlocked) throw new KeysLockedError()
    return this.#unlocked
  }

  /** Resolves when the keys are unlocked. @internal */
  async whenUnlocked(): Promise<void> {
    if (!this.#unlocked) await this.once('unlocked')
  }

  /** Fetches and unlocks the private keys, and checks that they are those of the newest entry. */
  async #open(secret: string) {
    const { locked, version } = await this.#current()
    const { unlockKeys } = await import('../on-demand.ts')
    const keys = await unlockKeys(this.#session.user.id, locked, secret)
    const last = await this.#last()
    checkKeys(keys, last)
    return { keys, last, version }
  }

  async #last() {
    const { id } = this.#session.user
    await this.#directory.refresh([id])
    const last = this.#directory.historyOf(id).at(-1)
    const code = this.#directory.rejectionOf(id)
    if (!last || code !== undefined) {
      throw new RejectedError({ code: code ?? 'no_keys' })
    }
    return last
  }

  async #store({ upload, keys }: KeyChange, headers: Record<string, string>): Promise<void> {
    await this.#session.request('PUT', '/api/keys', { body: upload, headers })
    await this.#import(keys)
    await this.#directory.refresh([this.#session.user.id])
    this.emit('unlocked', undefined)
  }

  async #import(keys: KeyChange['keys']): Promise<void> {
    const { crv, kty, x, y } = keys[0]!.encryption_key
    this.#unlocked = { ...(await importOwnKeys(keys)), encryptionKey: { crv, kty, x, y } }
  }

  async #current(): Promise<WireKeySet> {
    const current = await this.#read()
    if (!current) throw new RejectedError({ code: 'no_keys' })
    return current
  }

  async #read(): Promise<WireKeySet | undefined> {
    try {
      return await this.#session.request<WireKeySet>('GET', '/api/keys')
    } catch (error) {
      if (error instanceof RejectedError && error.code === 'no_keys') return undefined
      throw error
    }
  }

  /** Another device may have replaced the keys: what is encrypted from now on needs the new ones. */
  #checkCurrent(): void {
    const newest = this.#directory.historyOf(this.#session.user.id).at(-1)
    if (this.#unlocked && newest && newest.kid !== this.#unlocked.signer.kid) this.lock()
  }

  #input(secret: string) {
    return { userId: this.#session.user.id, secret, now: new Date() }
  }
}

function ifMatch(version: number): Record<string, string> {
  return { 'if-match': `"${version}"` }
}
