/** One presence of a key, such as one socket of a user. `phx_ref` identifies it. */
export interface Meta {
  phx_ref: string
  [field: string]: unknown
}

/** Presences by key, as clients receive them. */
export type PresenceStatePayload = Record<string, { metas: Meta[] }>

/** What changed since the last diff. */
export interface PresenceDiffPayload {
  joins: PresenceStatePayload
  leaves: PresenceStatePayload
}

/** Metas with their keys, by `phx_ref`. */
type Changes = Map<string, [key: string, meta: Meta]>

/** All metas of one key. */
interface Presences {
  metas: Map<string, Meta>
  /** The cached JSON of the key and its metas; undefined after a change. */
  json?: string | undefined
}

/** Who is present in one topic, and what changed since the last diff. A pure data structure. */
export class PresenceState {
  readonly #presences = new Map<string, Presences>()
  /** By ref, because a ref must not occur twice in a diff: clients apply all joins before all leaves. */
  #joins: Changes = new Map()
  #leaves: Changes = new Map()

  /** The number of keys. */
  get size(): number {
    return this.#presences.size
  }

  get hasChanges(): boolean {
    return this.#joins.size > 0 || this.#leaves.size > 0
  }

  add(key: string, meta: Meta): void {
    const presences = this.#presences.get(key)
    if (presences) {
      presences.metas.set(meta.phx_ref, meta)
      presences.json = undefined
    } else {
      this.#presences.set(key, { metas: new Map([[meta.phx_ref, meta]]) })
    }
    this.#joins.set(meta.phx_ref, [key, meta])
    this.#leaves.delete(meta.phx_ref)
  }

  /** Removes a meta. Without effect if it is unknown. */
  remove(key: string, ref: string): void {
    const presences = this.#presences.get(key)
    const meta = presences?.metas.get(ref)
    if (!presences || !meta) return
    presences.metas.delete(ref)
    presences.json = undefined
    if (presences.metas.size === 0) this.#presences.delete(key)
    this.#leaves.set(ref, [key, meta])
  }

  /** The state as JSON. The JSON of each key is cached, because every client that joins reads the state. */
  stateJson(): string {
    const entries: string[] = []
    for (const [key, presences] of this.#presences) {
      presences.json ??= `${JSON.stringify(key)}:${JSON.stringify({ metas: [...presences.metas.values()] })}`
      entries.push(presences.json)
    }
    return `{${entries.join(',')}}`
  }

  /**
   * Returns the changes since the last call and clears them. A presence that was added and removed in between is in both
   * halves, because a client may have read the state while it was there.
   */
  takeDiff(): PresenceDiffPayload {
    const diff = { joins: byKey(this.#joins), leaves: byKey(this.#leaves) }
    this.#joins = new Map()
    this.#leaves = new Map()
    return diff
  }
}

function byKey(changes: Changes): PresenceStatePayload {
  const state: PresenceStatePayload = {}
  for (const [key, meta] of changes.values()) {
    state[key] ??= { metas: [] }
    state[key].metas.push(meta)
  }
  return state
}
