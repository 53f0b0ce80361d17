import type { Clock } from '../../clock.ts'
import type { Backplane } from './backplane.ts'

/** A message between nodes. */
interface NodeMessage {
  from: string
  kind: string
  body: unknown
}

type Handler = (body: never, from: string) => void

/** A value that a node sends with every heartbeat, and the handler of other nodes' values. */
export interface HeartbeatField {
  read(): unknown
  receive(value: unknown, from: string): void
}

const ALL_NODES = 'nodes'
const HEARTBEAT_INTERVAL_MS = 2_000
/** A node without messages for this long is considered lost. */
const LEASE_TIMEOUT_MS = 10_000

/** Kinds of messages that this class handles itself. Nodes of two versions exchange them during an update. */
const HELLO = 'hello'
const HEARTBEAT = 'beat'
const RETURN = 'return'
const LEAVE = 'bye'

/** The membership of a deployment: which nodes are alive, and messages between them. */
export class Nodes {
  readonly backplane: Backplane
  readonly #clock: Clock
  readonly #lastSeenAt = new Map<string, number>()
  readonly #handlers = new Map<string, Handler>()
  readonly #heartbeatFields = new Map<string, HeartbeatField>()
  readonly #nodeLostListeners: ((nodeId: string) => void)[] = []
  readonly #possibleLossListeners: (() => void)[] = []
  #leasesCheckedAt: number
  #stopHeartbeat = () => {}

  constructor(backplane: Backplane, clock: Clock) {
    this.backplane = backplane
    this.#clock = clock
    this.#leasesCheckedAt = clock.now()
  }

  get id(): string {
    return this.backplane.nodeId
  }

  /** The number of live nodes, including this one. */
  get count(): number {
    return this.#lastSeenAt.size + 1
  }

  /** Whether another node is alive. */
  has(nodeId: string): boolean {
    return this.#lastSeenAt.has(nodeId)
  }

  /** Sets the handler for messages of a kind. Handlers, fields and listeners must be added before `start`. */
  on<Body>(kind: string, handler: (body: Body, from: string) => void): void {
    this.#handlers.set(kind, handler as Handler)
  }

  addHeartbeatField(name: string, field: HeartbeatField): void {
    this.#heartbeatFields.set(name, field)
  }

  /** Adds a listener for nodes that have left, or sent nothing for 10 s. */
  onNodeLost(listener: (nodeId: string) => void): void {
    this.#nodeLostListeners.push(listener)
  }

  /** Adds a listener for events after which messages between nodes may be lost: a node was disconnected, or is gone. */
  onPossibleLoss(listener: () => void): void {
    this.#possibleLossListeners.push(listener)
  }

  /** Joins the deployment. */
  async start(): Promise<void> {
    const { backplane } = this
    if (backplane.isSingleNode) return
    const receive = (message: Buffer) => this.#receive(JSON.parse(message.toString()) as NodeMessage)
    await Promise.all([ALL_NODES, routeOf(this.id)].map((route) => backplane.subscribe(route, receive)))
    backplane.onRestored(() => this.#onRestored())
    this.#stopHeartbeat = this.#clock.every(HEARTBEAT_INTERVAL_MS, () => this.#sendHeartbeat())
    this.publish(HELLO, this.#heartbeatValues())
  }

  /** Leaves the deployment. */
  stop(): void {
    this.#stopHeartbeat()
    this.publish(LEAVE, null)
  }

  /** Sends a message to all other nodes. */
  publish(kind: string, body: unknown): void {
    this.#publish(ALL_NODES, kind, body)
  }

  /** Sends a message to one other node. */
  send(nodeId: string, kind: string, body: unknown): void {
    this.#publish(routeOf(nodeId), kind, body)
  }

  #publish(route: string, kind: string, body: unknown): void {
    if (this.backplane.isSingleNode) return
    const message: NodeMessage = { from: this.id, kind, body }
    this.backplane.publish(route, Buffer.from(JSON.stringify(message)))
  }

  #receive({ from, kind, body }: NodeMessage): void {
    if (kind === LEAVE) return this.#removeNode(from)
    this.#lastSeenAt.set(from, this.#clock.now())
    if (kind === HELLO || kind === RETURN) this.send(from, HEARTBEAT, this.#heartbeatValues())
    if (kind === RETURN) this.#reportPossibleLoss()
    if (kind === HELLO || kind === RETURN || kind === HEARTBEAT) {
      this.#receiveHeartbeat(body as Record<string, unknown>, from)
    } else {
      // Only the handler of a kind knows the type of its body.
      this.#handlers.get(kind)?.(body as never, from)
    }
  }

  #heartbeatValues(): Record<string, unknown> {
    return Object.fromEntries([...this.#heartbeatFields].map(([name, field]) => [name, field.read()]))
  }

  #receiveHeartbeat(values: Record<string, unknown>, from: string): void {
    for (const [name, field] of this.#heartbeatFields) if (name in values) field.receive(values[name], from)
  }

  #sendHeartbeat(): void {
    this.publish(HEARTBEAT, this.#heartbeatValues())
    const now = this.#clock.now()
    // While this process is suspended or disconnected it receives nothing, so silence does not mean that a node is lost.
    const couldReceive = this.backplane.isConnected && now - this.#leasesCheckedAt < 2 * HEARTBEAT_INTERVAL_MS
    this.#leasesCheckedAt = now
    if (!couldReceive) return this.#renewLeases()
    for (const [nodeId, seenAt] of this.#lastSeenAt) {
      if (now - seenAt >= LEASE_TIMEOUT_MS) this.#removeNode(nodeId)
    }
  }

  #onRestored(): void {
    this.#renewLeases()
    this.publish(RETURN, this.#heartbeatValues())
    this.#reportPossibleLoss()
  }

  #reportPossibleLoss(): void {
    for (const listener of this.#possibleLossListeners) listener()
  }

  #renewLeases(): void {
    const now = this.#clock.now()
    for (const nodeId of this.#lastSeenAt.keys()) this.#lastSeenAt.set(nodeId, now)
  }

  #removeNode(nodeId: string): void {
    if (!this.#lastSeenAt.delete(nodeId)) return
    for (const listener of this.#nodeLostListeners) listener(nodeId)
    this.#reportPossibleLoss()
  }
}

function routeOf(nodeId: string): string {
  return `node:${nodeId}`
}
