import type { MemberRow } from '../../db/queries/conversations/members.ts'
import { causeOf, type Log } from '../shared/failure-reporter.ts'
import type { Vault } from '../vault/vault.ts'
import { isShallow, type Jwk, type KeyKind, type KeyOwner, openKey } from './conversation-keys.ts'

/** Maximum number of keys that are logged. Each is logged once. */
const MAX_REPORTED = 1_000

/** Reads the keys of members. An unreadable key counts as absent, so that the conversation stays accessible. */
export class KeyReader {
  readonly #vault: Vault
  readonly #log: Pick<Log, 'error'> | undefined
  readonly #reported = new Set<string>()

  constructor(vault: Vault, log?: Pick<Log, 'error'>) {
    this.#vault = vault
    this.#log = log
  }

  /** A key of a member; null if it is not set or cannot be read. */
  open(row: MemberRow, owner: KeyOwner, kind: KeyKind): Jwk | null {
    try {
      const key = (kind === 'public' && row.publicJwk) || this.#unseal(row, owner, kind)
      if (key === null || isShallow(key)) return key
      this.#report(owner, kind, 'nested too deeply')
    } catch (error) {
      this.#report(owner, kind, causeOf(error))
    }
    return null
  }

  #unseal(row: MemberRow, owner: KeyOwner, kind: KeyKind): Jwk | null {
    const bytes = kind === 'public' ? row.publicKey : row.privateKey
    if (!row.vaultKey || !bytes) return null
    return openKey(this.#vault, { vaultKey: row.vaultKey, bytes }, owner, kind)
  }

  #report({ conversationId, userId }: KeyOwner, kind: KeyKind, cause: string): void {
    const name = `${conversationId} ${userId} ${kind}`
    if (this.#reported.has(name) || this.#reported.size >= MAX_REPORTED) return
    this.#reported.add(name)
    this.#log?.error(
      { conversationId, userId, kind, cause },
      'A stored key cannot be read and is left out: restore its row of encryption_keys, or delete it so that the member sets keys anew',
    )
  }
}
