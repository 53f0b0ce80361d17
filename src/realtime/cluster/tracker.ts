import { randomBytes } from 'node:crypto'
import type { Clock } from '../../clock.ts'
import type { Nodes } from './nodes.ts'

/** An entry of a group. `key` is who or what it stands for; `ref` identifies the entry. */
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
  /** Whether the entries left because their node was lost. */
  isLoss: boolean
}

/** The entries of one node, by group and ref. */
type Groups = Map<string, Map<string, Entry>>

/** A change of a node's entries: an entry that was added, or the ref of one that was removed. */
type Step = [group: string, entry: Entry] | [group: string, ref: string]

/** Consecutive changes. `version` is the version after the last one. */
interface Delta {
  version: number
  steps: Step[]
}

/** All entries of a node. */
interface Snapshot {
  version: number
  entries: [group: string, entry: Entry][]
}

/** Changes are collected for this long before they are sent to other nodes. */
const FLUSH_INTERVAL_MS = 50
/** Minimum time between two requests for a node's snapshot. */
const SNAPSHOT_RETRY_DELAY_MS = 1_000

/**
 * Groups of entries, replicated to all nodes. Each node owns its entries, sends every change to the other nodes, and holds a
 * copy of theirs. Changes are versioned. Heartbeats repeat the version, so that a node notices lost changes and requests a
 * snapshot.
 */
export class Tracker {
  readonly #name: string
  readonly #nodes: Nodes
  readonly #clock: Clock
  readonly #own: Groups = new Map()
  readonly #copies = new Map<string, { version: number; groups: Groups }>()
  readonly #requestedAt = new Map<string, number>()
  readonly #listeners: ((change: GroupChange) => void)[] = []
  /** Makes refs unique among all nodes and their starts: clients compare them across a restart. */
  readonly #refPrefix = `${randomBytes(6).toString('base64url')}.`
  #version = 0
  #unsentSteps: Step[] = []
  #nextRef = 1

  /** @param name distinguishes the trackers of a deployment. */
  constructor(name: string, nodes: Nodes, clock: Clock) {
    this.#name = name
    this.#nodes = nodes
    this.#clock = clock
    nodes.on<Delta>(`${name} delta`, (delta, from) => this.#applyDelta(delta, from))
    nodes.on<null>(`${name} ask`, (_, from) => nodes.send(from, `${name} snapshot`, this.#snapshot()))
    nodes.on<Snapshot>(`${name} snapshot`, (snapshot, from) => this.#applySnapshot(snapshot, from))
    nodes.addHeartbeatField(name, {
      read: () => this.#sentVersion,
      receive: (version, from) => this.#compareVersion(version as number, from),
    })
    nodes.onNodeLost((nodeId) => this.#removeCopy(nodeId))
  }

  /** Adds a listener for the changes of all nodes, called after they have taken effect. */
  onChange(listener: (change: GroupChange) => void): void {
    this.#listeners.push(listener)
  }

  /** Adds an entry of this node. @returns its ref. */
  track(group: string, key: string, meta: unknown): string {
    const entry = { ref: this.#refPrefix + (this.#nextRef++).toString(36), key, meta }
    add(this.#own, group, entry)
    this.#queue([group, entry])
    this.#notify({ group, joins: [entry], leaves: [], isLoss: false })
    return entry.ref
  }

  /** Removes an entry of this node. Without effect if it does not exist. */
  untrack(group: string, ref: string): void {
    const entry = remove(this.#own, group, ref)
    if (!entry) return
    this.#queue([group, ref])
    this.#notify({ group, joins: [], leaves: [entry], isLoss: false })
  }

  /** An entry of this node. */
  find(group: string, ref: string): Entry | undefined {
    return this.#own.get(group)?.get(ref)
  }

  /** The entries of a group on all nodes. */
  *entries(group: string): Iterable<Entry> {
    yield* this.#own.get(group)?.values() ?? []
    for (const { groups } of this.#copies.values()) yield* groups.get(group)?.values() ?? []
  }

  #queue(step: Step): void {
    if (this.#nodes.backplane.isSingleNode) return
    this.#version++
    this.#unsentSteps.push(step)
    if (this.#unsentSteps.length === 1) this.#clock.after(FLUSH_INTERVAL_MS, () => this.#flush())
  }

  #flush(): void {
    const delta: Delta = { version: this.#version, steps: this.#unsentSteps }
    this.#unsentSteps = []
    this.#nodes.publish(`${this.#name} delta`, delta)
  }

  get #sentVersion(): number {
    return this.#version - this.#unsentSteps.length
  }

  /** Includes unsent changes. The receiver will skip them by their version when they arrive. */
  #snapshot(): Snapshot {
    const entries: Snapshot['entries'] = []
    for (const [group, members] of this.#own)
      for (const entry of members.values()) entries.push([group, entry])
    return { version: this.#version, entries }
  }

  #applyDelta({ version, steps }: Delta, from: string): void {
    const copy = this.#copies.get(from)
    const newCount = copy ? version - copy.version : steps.length + 1
    if (newCount <= 0) return
    if (!copy || newCount > steps.length) return this.#requestSnapshot(from)
    copy.version = version
    const changes = new Map<string, GroupChange>()
    for (const [group, added] of steps.slice(-newCount)) {
      const change = changes.get(group) ?? { group, joins: [], leaves: [], isLoss: false }
      changes.set(group, change)
      if (typeof added === 'object') {
        add(copy.groups, group, added)
        change.joins.push(added)
      } else {
        const entry = remove(copy.groups, group, added)
        if (entry) change.leaves.push(entry)
      }
    }
    for (const change of changes.values()) this.#notify(change)
  }

  #compareVersion(version: number, from: string): void {
    const copy = this.#copies.get(from)
    if (copy ? copy.version < version : version > 0) this.#requestSnapshot(from)
    else if (!copy) this.#copies.set(from, { version: 0, groups: new Map() })
  }

  #requestSnapshot(from: string): void {
    const now = this.#clock.now()
    if (now - (this.#requestedAt.get(from) ?? Number.NEGATIVE_INFINITY) < SNAPSHOT_RETRY_DELAY_MS) return
    this.#requestedAt.set(from, now)
    this.#nodes.send(from, `${this.#name} ask`, null)
  }

  /** Replaces the copy of a node. Listeners receive the differences only, so that a short disconnection shows no change. */
  #applySnapshot({ version, entries }: Snapshot, from: string): void {
    const old = this.#copies.get(from)
    if (old && old.version >= version) return
    this.#requestedAt.delete(from)
    const groups: Groups = new Map()
    for (const [group, entry] of entries) add(groups, group, entry)
    this.#copies.set(from, { version, groups })
    this.#notifyDifferences(old?.groups ?? new Map(), groups, false)
  }

  #removeCopy(nodeId: string): void {
    const copy = this.#copies.get(nodeId)
    this.#copies.delete(nodeId)
    this.#requestedAt.delete(nodeId)
    if (copy) this.#notifyDifferences(copy.groups, new Map(), true)
  }

  #notifyDifferences(before: Groups, after: Groups, isLoss: boolean): void {
    for (const group of new Set([...before.keys(), ...after.keys()])) {
      const [old, current] = [before.get(group), after.get(group)]
      const leaves = [...(old?.values() ?? [])].filter(({ ref }) => !current?.has(ref))
      const joins = [...(current?.values() ?? [])].filter(({ ref }) => !old?.has(ref))
      if (leaves.length || joins.length) this.#notify({ group, joins, leaves, isLoss })
    }
  }

  #notify(change: GroupChange): void {
    for (const listener of this.#listeners) listener(change)
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
