import { openAccountData, sealAccountData } from '../encryption/account-data.ts'
import type { KeyHistory } from '../encryption/key-history.ts'
import { RejectedError } from '../errors.ts'
import type { Session } from '../session/session.ts'
import type { Store } from '../stores/store.ts'
import type { KeyDirectory } from './key-directory.ts'
import type { UnlockedKeys } from './own-keys.ts'

const NAME = 'contacts'
const STORE_KEY = 'contacts'
const MAX_ATTEMPTS = 5

/** The keys of users that were compared: the version, and the thumbprint of that version. */
type Pins = Record<string, { version: number; thumbprint: string }>

interface StoredPins {
  revision: number
  pins: Pins
}

/** What the server stores of them, and its version there. */
interface SealedPins {
  data: string
  version: number
}

/**
 * Users whose keys the user has compared with them. Kept in the store, and encrypted on the server for the other devices of the user.
 */
export class VerifiedContacts {
  readonly #session: Session
  readonly #store: Store
  readonly #directory: KeyDirectory
  readonly #unlocked: () => UnlockedKeys
  #state: StoredPins = { revision: 0, pins: {} }
  #loading: Promise<boolean> = Promise.resolve(true)
  /** The thumbprints of others that the user was shown last, to compare. */
  readonly #shown = new Map<string, string>()

  constructor(options: {
    session: Session
    store: Store
    directory: KeyDirectory
    unlocked: () => UnlockedKeys
  }) {
    this.#session = options.session
    this.#store = options.store
    this.#directory = options.directory
    this.#unlocked = options.unlocked
  }

  /** Whether the user has compared the keys of someone, who has since changed them only with the keys before. */
  isVerified(userId: string): boolean {
    const pin = this.#state.pins[userId]
    const history = this.#directory.historyOf(userId)
    const entry = pin && history[pin.version - 1]
    if (!pin || entry?.thumbprint !== pin.thumbprint) return false
    return history.slice(pin.version).every(({ reset }) => !reset)
  }

  /** Whether the keys of someone were compared and have been replaced since, not signed by the compared ones. @internal */
  isOutdated(userId: string): boolean {
    return userId in this.#state.pins && !this.isVerified(userId)
  }

  /** The 60 digits that two users compare, in groups; the same on both sides. Undefined if one of them has no keys. */
  async safetyNumber(userId: string): Promise<string | undefined> {
    const both = await this.#thumbprints(userId)
    const { formatSafetyNumber, safetyNumber } = await import('../on-demand.ts')
    return both && formatSafetyNumber(await safetyNumber(...both))
  }

  /** The text of the QR code that two users compare; the same on both sides. Undefined if one of them has no keys. */
  async qrText(userId: string): Promise<string | undefined> {
    const both = await this.#thumbprints(userId)
    const { qrText } = await import('../on-demand.ts')
    return both && qrText(...both)
  }

  /** Records that the user has compared the keys of someone. @throws RejectedError `keys_changed` if others were shown to compare. */
  async verify(userId: string): Promise<void> {
    const entry = this.#directory.historyOf(userId).at(-1)
    if (!entry) throw new RejectedError({ code: 'no_keys' })
    const { version, thumbprint } = entry
    if ((this.#shown.get(userId) ?? thumbprint) !== thumbprint)
      throw new RejectedError({ code: 'keys_changed' })
    await this.#change((pins) => ({ ...pins, [userId]: { version, thumbprint } }))
  }

  /** Forgets that the user has compared the keys of someone. */
  async forget(userId: string): Promise<void> {
    await this.#change(({ [userId]: _forgotten, ...others }) => others)
  }

  /** Reads what this and other devices have recorded. False if the server has older records than before. @internal */
  load(): Promise<boolean> {
    this.#loading = this.#load()
    return this.#loading
  }

  /** Resolves when it is known which contacts were compared. @internal */
  async loaded(): Promise<void> {
    await this.#loading.catch(() => {})
  }

  async #load(): Promise<boolean> {
    const stored = (await this.#store.get(STORE_KEY)) as StoredPins | undefined
    if (stored) this.#state = stored
    const { revision } = this.#state
    const current = await this.#fetch()
    const remote = current && (await this.#open(current))
    if (remote && remote.revision >= this.#state.revision) await this.#keep(remote)
    return (remote?.revision ?? 0) >= revision
  }

  async #thumbprints(userId: string): Promise<[string, string] | undefined> {
    const ids = [this.#session.user.id, userId]
    // Nobody announces the first keys of a user with whom this one shares no conversation.
    this.#directory.forgetKeyless()
    await this.#directory.ensure(ids)
    const [own, other] = ids.map((id) => this.#directory.historyOf(id).at(-1)?.thumbprint)
    if (own === undefined || other === undefined) return undefined
    this.#shown.set(userId, other)
    return [own, other]
  }

  async #change(change: (pins: Pins) => Pins): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      const current = await this.#fetch()
      // What cannot be opened is replaced: the keys were reset, or the server has made it.
      const remote = current && (await this.#open(current).catch(() => undefined))
      const base = remote && remote.revision >= this.#state.revision ? remote : this.#state
      const next = { revision: base.revision + 1, pins: change(base.pins) }
      try {
        await this.#write(next, current && `"${current.version}"`)
        return await this.#keep(next)
      } catch (error) {
        const isOutdated = error instanceof RejectedError && error.code === 'precondition_failed'
        if (!isOutdated || attempt === MAX_ATTEMPTS) throw error
      }
    }
  }

  async #keep({ revision, pins }: StoredPins): Promise<void> {
    this.#state = { revision, pins }
    await this.#store.update(STORE_KEY, () => this.#state)
  }

  #fetch(): Promise<SealedPins | undefined> {
    return this.#session
      .request<SealedPins>('GET', `/api/account/data/${NAME}`)
      .catch((error) => (isNotFound(error) ? undefined : Promise.reject(error)))
  }

  async #open(sealed: SealedPins): Promise<StoredPins> {
    const { decryption } = this.#unlocked()
    const userId = this.#session.user.id
    const history: KeyHistory = this.#directory.historyOf(userId)
    const { revision, data } = await openAccountData(sealed.data, { userId, name: NAME }, decryption, history)
    // Signed with the keys of this user, thus written by this class.
    return { revision, pins: data as Pins }
  }

  async #write({ revision, pins }: StoredPins, etag: string | undefined): Promise<void> {
    const { signer, encryptionKey } = this.#unlocked()
    const content = { userId: this.#session.user.id, name: NAME, revision, data: pins }
    const data = await sealAccountData(content, signer, encryptionKey)
    const headers: Record<string, string> =
      etag === undefined ? { 'if-none-match': '*' } : { 'if-match': etag }
    await this.#session.request('PUT', `/api/account/data/${NAME}`, { body: { data }, headers })
  }
}

function isNotFound(error: unknown): boolean {
  return error instanceof RejectedError && error.status === 404
}
