/** A message's place among those of its device: its counter, the hash before it, and its own hash (of revision 0). */
export interface ChainLink {
  counter: number
  previous: string | null
  hash: string
}

/** What a receiver knows of the messages that one device sent to one conversation. Plain JSON, to be stored. */
export interface DeviceChain {
  first: ChainLink
  last: ChainLink
  /** Counters that were skipped, in no order. */
  gaps: ChainGap[]
  /** The newest links that were added, for telling a repeated message from another one with its counter. */
  recent: [counter: number, hash: string][]
}

/** Counters that were skipped, and the hashes that the messages around them promise. */
export interface ChainGap {
  from: number
  to: number
  /** The `previous` that the first missing message must have. */
  previous: string | null
  /** The hash that the last missing message must have. */
  hash: string | null
}

/** What a message's place says. */
export type ChainVerdict =
  | { status: 'ok' }
  /** So many messages of the device are missing next to this one. */
  | { status: 'gap'; missing: number }
  /** A message that was missing, at a later place than its sender gave it. */
  | { status: 'reordered' }
  /** A message that was received before. */
  | { status: 'repeated' }
  /** Another message with a counter that was used before: the device, or a thief of its keys, started from an old state. */
  | { status: 'rolled_back' }
  /** The hashes do not fit: the sender saw another message at that place. */
  | { status: 'broken' }

/** A chain with a message added, and what its place says. */
export interface ChainStep {
  chain: DeviceChain
  verdict: ChainVerdict
}

const OK: ChainVerdict = { status: 'ok' }
const MAX_RECENT = 200
const MAX_GAPS = 200

/** Starts a chain with the first message that is read of a device. */
export function startChain(link: ChainLink): DeviceChain {
  return { first: link, last: link, gaps: [], recent: [[link.counter, link.hash]] }
}

/** Adds a message that follows in the conversation's order. */
export function appendToChain(chain: DeviceChain, link: ChainLink): ChainStep {
  const { last } = chain
  if (link.counter <= last.counter) return placeInside(chain, link)
  const extended = remember({ ...chain, last: link }, link)
  const missing = link.counter - last.counter - 1
  if (missing === 0) return step(extended, link.previous === last.hash ? OK : { status: 'broken' })
  const gap = { from: last.counter + 1, to: link.counter - 1, previous: last.hash, hash: link.previous }
  return step(withGap(extended, gap), { status: 'gap', missing })
}

/** Adds a message that precedes in the conversation's order, for pages of history that are read from new to old. */
export function prependToChain(chain: DeviceChain, link: ChainLink): ChainStep {
  const { first } = chain
  if (link.counter >= first.counter) return placeInside(chain, link)
  const extended = remember({ ...chain, first: link }, link)
  const missing = first.counter - link.counter - 1
  if (missing === 0) return step(extended, first.previous === link.hash ? OK : { status: 'broken' })
  const gap = { from: link.counter + 1, to: first.counter - 1, previous: link.hash, hash: first.previous }
  return step(withGap(extended, gap), { status: 'gap', missing })
}

/** A message whose counter is not at the end: one that was missing, or that was there already. */
function placeInside(chain: DeviceChain, link: ChainLink): ChainStep {
  const gap = chain.gaps.find(({ from, to }) => from <= link.counter && link.counter <= to)
  if (gap) {
    const filled = { ...chain, gaps: chain.gaps.flatMap((one) => (one === gap ? split(gap, link) : [one])) }
    return step(remember(filled, link), fits(gap, link) ? { status: 'reordered' } : { status: 'broken' })
  }
  if (link.counter < chain.first.counter) return step(remember(chain, link), { status: 'reordered' })
  const known = chain.recent.find(([counter]) => counter === link.counter)
  return step(chain, known && known[1] !== link.hash ? { status: 'rolled_back' } : { status: 'repeated' })
}

function fits(gap: ChainGap, { counter, previous, hash }: ChainLink): boolean {
  return (counter !== gap.from || previous === gap.previous) && (counter !== gap.to || hash === gap.hash)
}

function split(gap: ChainGap, { counter, previous, hash }: ChainLink): ChainGap[] {
  const parts = [
    { ...gap, to: counter - 1, hash: previous },
    { ...gap, from: counter + 1, previous: hash },
  ]
  return parts.filter(({ from, to }) => from <= to)
}

function withGap(chain: DeviceChain, gap: ChainGap): DeviceChain {
  return { ...chain, gaps: [...chain.gaps, gap].slice(-MAX_GAPS) }
}

function remember(chain: DeviceChain, { counter, hash }: ChainLink): DeviceChain {
  return { ...chain, recent: [...chain.recent, [counter, hash] as [number, string]].slice(-MAX_RECENT) }
}

function step(chain: DeviceChain, verdict: ChainVerdict): ChainStep {
  return { chain, verdict }
}
