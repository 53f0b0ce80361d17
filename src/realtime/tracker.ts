import type { Clock } from '../clock.ts'
import type { Nodes } from './nodes.ts'

/** One entry of a group: `key` is who, `ref` names the entry, `meta` is what is told of it. */
export interface Entry {
  ref: string
  key: string
  meta: unknown
}

/** What changed in a group. */
export interface GroupChange {
  group: string
  joins: Entry[]
  leaves: Entry[]
  /** Whether these are the entries of a node that is gone. */
  isLoss: boolean
}

/** The entries of one node, by group and ref. */
type Groups = Map<string, Map<string, Entry>>

/** A step of a node's entries: an entry that came, or the ref of one that went. */
type Step = [group: string, entry: Entry] | [group: string, ref: string]

/** Steps that follow each other; `version` is that after the last of them. */
interface Delta {
  version: number
  steps: Step[]
}

/** All entries of a node. */
interface Snapshot {
  version: number
  entries: [group: string, entry: Entry][]
}

/** Steps gather this long before the other nodes are told. */
const FLUSH_MS = 50
/** A node that was asked for its entries is not asked again sooner. */
const ASK_AGAIN_MS = 1_000

/**
 * Who is where, on all nodes: each node keeps its own entries, tells the others each step, and holds a copy of theirs. Steps
 * carry a version, which every beat repeats, so that what was lost on the way is noticed and asked for.
 */
export class Tracker {
  readonly #name: string
  readonly #nodes: Nodes
  readonly #clock: Clock
  readonly #own: Groups = new Map()
  readonly #copies = new Map<string, { version: number; groups: Groups }>()
  readonly #askedAt = new Map<string, number>()
  readonly #listeners: ((change: GroupChange) => void)[] = []
  readonly #refPrefix: string
  #version = 0
  #unsent: Step[] = []
  #nextRef = 1

  /** @param name tells trackers of the same nodes apart. */
  constructor(name: string, nodes: Nodes, clock: Clock) {
    this.#name = name
    this.#nodes = nodes
    this.#clock = clock
    this.#refPrefix = nodes.backplane.isAlone ? '' : `${nodes.id}.`
    nodes.on<Delta>(`${name} delta`, (delta, from) => this.#follow(delta, from))
    nodes.on<null>(`${name} ask`, (_, from) => nodes.send(from, `${name} snapshot`, this.#snapshot()))
    nodes.on<Snapshot>(`${name} snapshot`, (snapshot, from) => this.#copy(snapshot, from))
    nodes.addVital(name, {
      tell: () => this.#sentVersion,
      hear: (version, from) => this.#compare(version as number, from),
    })
    nodes.onGone((nodeId) => this.#drop(nodeId))
  }

  /** Adds a listener that hears every change, of this node and others, after it has taken effect. */
  onChange(listener: (change: GroupChange) => void): void {
    this.#listeners.push(listener)
  }

  /** Adds an entry of this node. @returns its ref. */
  track(group: string, key: string, meta: unknown): string {
    const entry = this.#enter(group, key, meta)
    this.#tell({ group, joins: [entry], leaves: [] })
    return entry.ref
  }

  /** Takes an entry of this node out; without effect when it is not there. */
  untrack(group: string, ref: string): void {
    const entry = this.#exit(group, ref)
    if (entry) this.#tell({ group, joins: [], leaves: [entry] })
  }

  /** Replaces the meta of an entry of this node. @returns its new ref. */
  update(group: string, ref: string, meta: unknown): string {
    const old = this.#exit(group, ref)
    if (!old) return ref
    const entry = this.#enter(group, old.key, meta)
    this.#tell({ group, joins: [entry], leaves: [old] })
    return entry.ref
  }

  /** The entries of a group, on all nodes. */
  *entries(group: string): Iterable<Entry> {
    yield* this.#own.get(group)?.values() ?? []
    for (const { groups } of this.#copies.values()) yield* groups.get(group)?.values() ?? []
  }

  #enter(group: string, key: string, meta: unknown): Entry {
    const entry = { ref: this.#refPrefix + (this.#nextRef++).toString(36), key, meta }
    add(this.#own, group, entry)
    this.#queue([group, entry])
    return entry
  }

  #exit(group: string, ref: string): Entry | undefined {
    const entry = remove(this.#own, group, ref)
    if (entry) this.#queue([group, ref])
    return entry
  }

  #queue(step: Step): void {
    if (this.#nodes.backplane.isAlone) return
    this.#version++
    this.#unsent.push(step)
    if (this.#unsent.length === 1) this.#clock.after(FLUSH_MS, () => this.#flush())
  }

  #flush(): void {
    const delta: Delta = { version: this.#version, steps: this.#unsent }
    this.#unsent = []
    this.#nodes.tell(`${this.#name} delta`, delta)
  }

  get #sentVersion(): number {
    return this.#version - this.#unsent.length
  }

  #snapshot(): Snapshot {
    // What is not sent yet is in it: those steps will say nothing new to whom it goes, and everything to the others.
    const entries: Snapshot['entries'] = []
    for (const [group, members] of this.#own)
      for (const entry of members.values()) entries.push([group, entry])
    return { version: this.#version, entries }
  }

  #follow({ version, steps }: Delta, from: string): void {
    const copy = this.#copies.get(from)
    const fresh = copy ? version - copy.version : steps.length + 1
    if (fresh <= 0) return
    if (!copy || fresh > steps.length) return this.#ask(from)
    copy.version = version
    const changes = new Map<string, GroupChange>()
    for (const [group, what] of steps.slice(-fresh)) {
      const change = changes.get(group) ?? { group, joins: [], leaves: [], isLoss: false }
      changes.set(group, change)
      if (typeof what === 'object') {
        add(copy.groups, group, what)
        change.joins.push(what)
      } else {
        const entry = remove(copy.groups, group, what)
        if (entry) change.leaves.push(entry)
      }
    }
    for (const change of changes.values()) this.#tell(change)
  }

  #compare(version: number, from: string): void {
    const copy = this.#copies.get(from)
    if (copy ? copy.version < version : version > 0) this.#ask(from)
    else if (!copy) this.#copies.set(from, { version: 0, groups: new Map() })
  }

  #ask(from: string): void {
    const now = this.#clock.now()
    if (now - (this.#askedAt.get(from) ?? Number.NEGATIVE_INFINITY) < ASK_AGAIN_MS) return
    this.#askedAt.set(from, now)
    this.#nodes.send(from, `${this.#name} ask`, null)
  }

  /** Takes over all entries of a node, and tells only what is new: a node that was out of sight for a moment does not flicker. */
  #copy({ version, entries }: Snapshot, from: string): void {
    const old = this.#copies.get(from)
    if (old && old.version >= version) return
    this.#askedAt.delete(from)
    const groups: Groups = new Map()
    for (const [group, entry] of entries) add(groups, group, entry)
    this.#copies.set(from, { version, groups })
    this.#replace(old?.groups ?? new Map(), groups, false)
  }

  #drop(nodeId: string): void {
    const copy = this.#copies.get(nodeId)
    this.#copies.delete(nodeId)
    this.#askedAt.delete(nodeId)
    if (copy) this.#replace(copy.groups, new Map(), true)
  }

  #replace(before: Groups, after: Groups, isLoss: boolean): void {
    for (const group of new Set([...before.keys(), ...after.keys()])) {
      const [old, current] = [before.get(group), after.get(group)]
      const leaves = [...(old?.values() ?? [])].filter(({ ref }) => !current?.has(ref))
      const joins = [...(current?.values() ?? [])].filter(({ ref }) => !old?.has(ref))
      if (leaves.length || joins.length) this.#tell({ group, joins, leaves, isLoss })
    }
  }

  #tell({ isLoss = false, ...change }: Omit<GroupChange, 'isLoss'> & { isLoss?: boolean }): void {
    for (const listener of this.#listeners) listener({ ...change, isLoss })
  }
}

function add(groups: Groups, group: string, entry: Entry): void {
  const entries = groups.get(group)
  if (entries) entries.set(entry.ref, entry)
  else groups.set(group, new Map([[entry.ref, entry]]))
}

function remove(groups: Groups, group: string, ref: string): Entry | undefined {
  const entries = groups.get(group)
  const entry = entries?.get(ref)
  entries?.delete(ref)
  if (entries?.size === 0) groups.delete(group)
  return entry
}
