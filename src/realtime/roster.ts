/** What is told about one presence of a key (one socket of a user); `phx_ref` names it. */
export interface Meta {
  phx_ref: string
  phx_ref_prev?: string
  [field: string]: unknown
}

/** Presences by key, as clients see them. */
export type PresenceState = Record<string, { metas: Meta[] }>

/** What changed since the last diff. */
export interface PresenceDiff {
  joins: PresenceState
  leaves: PresenceState
}

/** Who is present in one topic, and what changed since that was last told. Pure data. */
export class Roster {
  readonly #metas = new Map<string, Map<string, Meta>>()
  #joins: [key: string, meta: Meta][] = []
  #leaves: [key: string, meta: Meta][] = []

  get isEmpty(): boolean {
    return this.#metas.size === 0
  }

  get hasChanges(): boolean {
    return this.#joins.length > 0 || this.#leaves.length > 0
  }

  add(key: string, meta: Meta): void {
    const metas = this.#metas.get(key)
    if (metas) metas.set(meta.phx_ref, meta)
    else this.#metas.set(key, new Map([[meta.phx_ref, meta]]))
    this.#joins.push([key, meta])
  }

  /** Replaces a meta by its successor, which carries `phx_ref_prev`: a leave and a join in the same diff. */
  update(key: string, oldRef: string, meta: Meta): void {
    this.remove(key, oldRef)
    this.add(key, meta)
  }

  remove(key: string, ref: string): void {
    const metas = this.#metas.get(key)
    const meta = metas?.get(ref)
    if (!metas || !meta) return
    metas.delete(ref)
    if (metas.size === 0) this.#metas.delete(key)
    this.#leaves.push([key, meta])
  }

  state(): PresenceState {
    const state: PresenceState = {}
    for (const [key, metas] of this.#metas) state[key] = { metas: [...metas.values()] }
    return state
  }

  /**
   * Takes what changed since the last call. A presence that came and went in between is in both halves: someone may
   * have read the state in that moment.
   */
  takeDiff(): PresenceDiff {
    const diff = { joins: group(this.#joins), leaves: group(this.#leaves) }
    this.#joins = []
    this.#leaves = []
    return diff
  }
}

function group(changes: [key: string, meta: Meta][]): PresenceState {
  const state: PresenceState = {}
  for (const [key, meta] of changes) {
    state[key] ??= { metas: [] }
    state[key].metas.push(meta)
  }
  return state
}
