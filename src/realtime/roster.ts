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

/** Metas with their keys, by `phx_ref`. */
type Changes = Map<string, [key: string, meta: Meta]>

/** All metas of one key. */
interface Presences {
  metas: Map<string, Meta>
  /** The key and its metas as they appear in the state; absent since they changed. */
  json?: string | undefined
}

/** Who is present in one topic, and what changed since that was last told. Pure data. */
export class Roster {
  readonly #presences = new Map<string, Presences>()
  /** By ref: a client takes all joins of a diff before all its leaves, so that none may be in it twice. */
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

  remove(key: string, ref: string): void {
    const presences = this.#presences.get(key)
    const meta = presences?.metas.get(ref)
    if (!presences || !meta) return
    presences.metas.delete(ref)
    presences.json = undefined
    if (presences.metas.size === 0) this.#presences.delete(key)
    this.#leaves.set(ref, [key, meta])
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
    this.#joins = new Map()
    this.#leaves = new Map()
    return diff
  }
}

function group(changes: Changes): PresenceState {
  const state: PresenceState = {}
  for (const [key, meta] of changes.values()) {
    state[key] ??= { metas: [] }
    state[key].metas.push(meta)
  }
  return state
}
