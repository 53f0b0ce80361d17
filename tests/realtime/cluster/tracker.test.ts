import { describe, expect, it, onTestFinished } from 'vitest'
import { Nodes } from '../../../src/realtime/cluster/nodes.ts'
import { type GroupChange, Tracker } from '../../../src/realtime/cluster/tracker.ts'
import { ManualClock } from '../../support/clock.ts'
import { InProcessBackplane } from '../../support/in-process-backplane.ts'

interface StartedNode {
  backplane: InProcessBackplane
  nodes: Nodes
  tracker: Tracker
  /** The changes that the tracker reported. */
  changes: GroupChange[]
  /** The keys in the group `lobby`, sorted. */
  keys(): string[]
}

/** Starts nodes with a tracker each, one after the other. */
async function startNodes(count: number) {
  const clock = new ManualClock()
  const started: StartedNode[] = []
  for (const backplane of InProcessBackplane.group(count)) {
    const nodes = new Nodes(backplane, clock)
    const tracker = new Tracker('test', nodes, clock)
    const changes: GroupChange[] = []
    tracker.onChange((change) => changes.push(change))
    await nodes.start()
    onTestFinished(() => nodes.stop())
    const keys = () => [...tracker.entries('lobby')].map(({ key }) => key).sort()
    started.push({ backplane, nodes, tracker, changes, keys })
  }
  // In small steps, so that messages are delivered in between.
  async function pass(ms: number) {
    for (let passed = 0; passed < ms; passed += 500) {
      clock.advance(500)
      for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve))
    }
  }
  return { clock, pass, started, all: () => started.map(({ keys }) => keys()) }
}

describe('Trackers', () => {
  it('hold the same entries on all nodes', async () => {
    const { started, all, pass } = await startNodes(3)
    const [a, b, c] = started as [StartedNode, StartedNode, StartedNode]
    a.tracker.track('lobby', 'ann', { mood: 'fine' })
    const bob = b.tracker.track('lobby', 'bob', null)
    c.tracker.track('elsewhere', 'cat', null)
    await pass(500)
    expect(all()).toEqual([
      ['ann', 'bob'],
      ['ann', 'bob'],
      ['ann', 'bob'],
    ])
    expect([...c.tracker.entries('lobby')].find(({ key }) => key === 'ann')?.meta).toEqual({ mood: 'fine' })
    b.tracker.untrack('lobby', bob)
    await pass(500)
    expect(all()).toEqual([['ann'], ['ann'], ['ann']])
  })

  it('send a snapshot to a node that missed the changes', async () => {
    const { started, all, pass } = await startNodes(2)
    const [a, b] = started as [StartedNode, StartedNode]
    b.backplane.isConnected = false
    for (let i = 0; i < 200; i++) a.tracker.track('lobby', `user ${i}`, null)
    await pass(500)
    expect(b.keys()).toEqual([])
    b.backplane.restore()
    await pass(3_000)
    expect(b.keys()).toHaveLength(200)
    expect(all()[0]).toEqual(all()[1])
  })

  it('recover lost changes, and report only the differences', async () => {
    const { started, pass } = await startNodes(2)
    const [a, b] = started as [StartedNode, StartedNode]
    const refs = ['ann', 'bob', 'cat'].map((key) => a.tracker.track('lobby', key, null))
    await pass(500)
    b.changes.length = 0
    b.backplane.isConnected = false
    a.tracker.untrack('lobby', refs[1] as string)
    a.tracker.track('lobby', 'dan', null)
    await pass(4_000)
    expect(b.changes).toEqual([])
    b.backplane.restore()
    await pass(3_000)
    expect(b.keys()).toEqual(['ann', 'cat', 'dan'])
    expect(b.changes.map(({ joins, leaves }) => [joins.map(keyOf), leaves.map(keyOf)])).toEqual([
      [['dan'], ['bob']],
    ])
  })

  it('remove the entries of a lost node, and report a loss', async () => {
    const { started, pass } = await startNodes(3)
    const [a, b, c] = started as [StartedNode, StartedNode, StartedNode]
    a.tracker.track('lobby', 'ann', null)
    b.tracker.track('lobby', 'bob', null)
    await pass(2_500)
    a.nodes.stop = () => {}
    a.backplane.publish = () => {}
    b.changes.length = 0
    await pass(7_000)
    expect(b.keys()).toEqual(['ann', 'bob'])
    await pass(8_000)
    expect([b.keys(), c.keys()]).toEqual([['bob'], ['bob']])
    expect(b.changes.map(({ leaves, isLoss }) => [leaves.map(keyOf), isLoss])).toEqual([[['ann'], true]])
    expect(b.nodes.count).toBe(2)
  })

  it('keep all entries while this node is disconnected, and report no change after it reconnects', async () => {
    const { started, pass } = await startNodes(2)
    const [a, b] = started as [StartedNode, StartedNode]
    a.tracker.track('lobby', 'ann', null)
    await pass(2_500)
    b.changes.length = 0
    b.backplane.isConnected = false
    await pass(60_000)
    expect(b.keys()).toEqual(['ann'])
    b.backplane.restore()
    await pass(5_000)
    expect([b.keys(), b.changes]).toEqual([['ann'], []])
  })

  it('keep all entries after this process was suspended', async () => {
    const { started, clock, pass } = await startNodes(2)
    const [a, b] = started as [StartedNode, StartedNode]
    a.tracker.track('lobby', 'ann', null)
    await pass(2_500)
    b.changes.length = 0
    // Without a tick in between: the heartbeat timer runs before any message is received.
    const publish = a.backplane.publish.bind(a.backplane)
    a.backplane.publish = () => {}
    const now = clock.now.bind(clock)
    clock.now = () => now() + 30_000
    clock.advance(2_000)
    a.backplane.publish = publish
    expect(b.keys()).toEqual(['ann'])
    await pass(5_000)
    expect([b.keys(), b.changes]).toEqual([['ann'], []])
  })

  it('send each of ten thousand entries once, and then only small heartbeats', async () => {
    const { started, pass } = await startNodes(3)
    let bytes = 0
    for (const { backplane } of started) {
      const publish = backplane.publish.bind(backplane)
      backplane.publish = (route, message) => {
        bytes += message.length
        publish(route, message)
      }
    }
    const entry = { online_at: '1790000000' }
    for (const [index, { tracker }] of started.entries()) {
      for (let i = index; i < 10_000; i += 3) tracker.track('lobby', `00000000-0000-7000-8000-${i}`, entry)
    }
    await pass(1_000)
    expect(started.map(({ keys }) => keys().length)).toEqual([10_000, 10_000, 10_000])
    expect(bytes).toBeLessThan(10_000 * 200)
    bytes = 0
    await pass(60_000)
    expect(bytes / 60).toBeLessThan(500)
  })

  it('remove the entries of a node immediately when it leaves', async () => {
    const { started, pass } = await startNodes(2)
    const [a, b] = started as [StartedNode, StartedNode]
    a.tracker.track('lobby', 'ann', null)
    await pass(500)
    a.nodes.stop()
    await pass(500)
    expect(b.keys()).toEqual([])
  })
})

function keyOf({ key }: { key: string }): string {
  return key
}
