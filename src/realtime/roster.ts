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

/** All metas of one key. */
interface Presences {
  metas: Map<string, Meta>
  /** The key and its metas as they appear in the state; absent since they changed. */
  json?: string | undefined
}

/** Who is present in one topic, and what changed since that was last told. Pure data. */
export class Roster {
  readonly #presences = new Map<string, Presences>()
  #joins: [key: string, meta: Meta][] = []
  #leaves: [key: string, meta: Meta][] = []

  /** The number of keys. */
  get size(): number {
    return this.#presences.size
  }

  get hasChanges(): boolean {
    return this.#joins.length > 0 || this.#leaves.length > 0
  }

  add(key: string, meta: Meta): void {
    const presences = this.#presences.get(key)
    if (presences) {
      presences.metas.set(meta.phx_ref, meta)
      presences.json = undefined
    } else {
      this.#presences.set(key, { metas: new Map([[meta.phx_ref, meta]]) })
    }
    this.#joins.push([key, meta])
  }

  remove(key: string, ref: string): void {
    const presences = this.#presences.get(key)
    const meta = presences?.metas.get(ref)
    if (!presences || !meta) return
    presences.metas.delete(ref)
    presences.json = undefined
    if (presences.metas.size === 0) this.#presences.delete(key)
    this.#leaves.push([key, meta])
  }

  state(): PresenceState {
    return JSON.parse(this.stateJson())
  }

  /** The state as JSON. Each key is written once, however many ask: everyone who enters does. */
  stateJson(): string {
    const entries: string[] = []
    for (const [key, presences] of this.#presences) {
      presences.json ??= `${JSON.stringify(key)}:${JSON.stringify({ metas: [...presences.metas.values()] })}`
      entries.push(presences.json)
    }
    return `{${entries.join(',')}}`
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
