import {
  formatSafetyNumber,
  type KeyHistory,
  openAccountData,
  qrText,
  safetyNumber,
  sealAccountData,
} from '../encryption/index.ts'
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

/**
 * Users whose keys the user has compared with them. Kept in the store, and encrypted on the server for the other devices of the user.
 */
export class VerifiedContacts {
  readonly #session: Session
  readonly #store: Store
  readonly #directory: KeyDirectory
  readonly #unlocked: () => UnlockedKeys
  #state: StoredPins = { revision: 0, pins: {} }

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

  /** The 60 digits that two users compare, in groups; the same on both sides. Undefined if one of them has no keys. */
  async safetyNumber(userId: string): Promise<string | undefined> {
    const both = await this.#thumbprints(userId)
    return both && formatSafetyNumber(await safetyNumber(...both))
  }

  /** The text of the QR code that two users compare; the same on both sides. Undefined if one of them has no keys. */
  async qrText(userId: string): Promise<string | undefined> {
    const both = await this.#thumbprints(userId)
    return both && qrText(...both)
  }

  /** Records that the user has compared the keys of someone. */
  async verify(userId: string): Promise<void> {
    const entry = this.#directory.historyOf(userId).at(-1)
    if (!entry) throw new RejectedError({ code: 'no_keys' })
    const { version, thumbprint } = entry
    await this.#change((pins) => ({ ...pins, [userId]: { version, thumbprint } }))
  }

  /** Forgets that the user has compared the keys of someone. */
  async forget(userId: string): Promise<void> {
    await this.#change(({ [userId]: _forgotten, ...others }) => others)
  }

  /** Reads what this and other devices have recorded. @internal */
  async load(): Promise<void> {
    const stored = (await this.#store.get(STORE_KEY)) as StoredPins | undefined
    if (stored) this.#state = stored
    const remote = await this.#read()
    // An older revision than a known one was withheld by the server, or is another device's that is late.
    if (remote && remote.revision >= this.#state.revision) await this.#keep(remote)
  }

  async #thumbprints(userId: string): Promise<[string, string] | undefined> {
    const ids = [this.#session.user.id, userId]
    await this.#directory.ensure(ids)
    const [own, other] = ids.map((id) => this.#directory.historyOf(id).at(-1)?.thumbprint)
    return own !== undefined && other !== undefined ? [own, other] : undefined
  }

  async #change(change: (pins: Pins) => Pins): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      const current = await this.#read()
      const base = current && current.revision >= this.#state.revision ? current : this.#state
      const next = { revision: base.revision + 1, pins: change(base.pins) }
      try {
        await this.#write(next, current?.etag)
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

  async #read(): Promise<(StoredPins & { etag: string }) | undefined> {
    const { decryption } = this.#unlocked()
    const path = `/api/account/data/${NAME}`
    const stored = await this.#session
      .request<{ data: string; version: number }>('GET', path)
      .catch((error) => (isNotFound(error) ? undefined : Promise.reject(error)))
    if (!stored) return undefined
    const userId = this.#session.user.id
    const history: KeyHistory = this.#directory.historyOf(userId)
    const { revision, data } = await openAccountData(stored.data, { userId, name: NAME }, decryption, history)
    // Signed with the keys of this user, thus written by this class.
    return { revision, pins: data as Pins, etag: `"${stored.version}"` }
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
