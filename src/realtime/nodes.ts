import type { Clock } from '../clock.ts'
import type { Backplane } from './backplane.ts'

/** Something one node tells others. */
interface Letter {
  from: string
  kind: string
  body: unknown
}

type Handler = (body: never, from: string) => void

/** What a node says of itself in every beat, and who hears it. */
export interface Vital {
  tell(): unknown
  hear(value: unknown, from: string): void
}

const EVERYONE = 'nodes'
const BEAT_MS = 2_000
/** A node that is not heard for this long is gone. */
const LEASE_MS = 10_000

/** The nodes of a deployment: which of them are alive, and what they tell each other. */
export class Nodes {
  readonly backplane: Backplane
  readonly #clock: Clock
  readonly #heardAt = new Map<string, number>()
  readonly #handlers = new Map<string, Handler>()
  readonly #vitals = new Map<string, Vital>()
  readonly #whenGone: ((nodeId: string) => void)[] = []
  readonly #whenDoubtful: (() => void)[] = []
  #sweptAt: number
  #stopBeating = () => {}

  constructor(backplane: Backplane, clock: Clock) {
    this.backplane = backplane
    this.#clock = clock
    this.#sweptAt = clock.now()
  }

  get id(): string {
    return this.backplane.nodeId
  }

  /** How many nodes are alive, this one included. */
  get count(): number {
    return this.#heardAt.size + 1
  }

  /** Whether another node is alive. */
  has(nodeId: string): boolean {
    return this.#heardAt.has(nodeId)
  }

  /** Says who takes the letters of a kind. To be called before `start`, like the other two. */
  on<Body>(kind: string, handler: (body: Body, from: string) => void): void {
    this.#handlers.set(kind, handler as Handler)
  }

  /** Adds to what the nodes tell with every beat, and once when they start. */
  addVital(name: string, vital: Vital): void {
    this.#vitals.set(name, vital)
  }

  /** Adds what is called when another node has stopped, or was not heard for 10 s. */
  onGone(listener: (nodeId: string) => void): void {
    this.#whenGone.push(listener)
  }

  /** Adds what is called when something that nodes told each other may be lost: one of them was cut off, or is gone. */
  onDoubt(listener: () => void): void {
    this.#whenDoubtful.push(listener)
  }

  /** Begins to hear the others, and to be heard. */
  async start(): Promise<void> {
    const { backplane } = this
    if (backplane.isAlone) return
    const hear = (message: Buffer) => this.#hear(JSON.parse(message.toString()) as Letter)
    await Promise.all([EVERYONE, routeOf(this.id)].map((route) => backplane.subscribe(route, hear)))
    backplane.onRestored(() => this.#returned())
    this.#stopBeating = this.#clock.every(BEAT_MS, () => this.#beat())
    this.tell('hello', this.#vitalSigns())
  }

  /** Says goodbye. */
  stop(): void {
    this.#stopBeating()
    this.tell('bye', null)
  }

  /** Tells all other nodes. */
  tell(kind: string, body: unknown): void {
    this.#publish(EVERYONE, kind, body)
  }

  /** Tells one other node. */
  send(nodeId: string, kind: string, body: unknown): void {
    this.#publish(routeOf(nodeId), kind, body)
  }

  #publish(route: string, kind: string, body: unknown): void {
    if (this.backplane.isAlone) return
    const letter: Letter = { from: this.id, kind, body }
    this.backplane.publish(route, Buffer.from(JSON.stringify(letter)))
  }

  #hear({ from, kind, body }: Letter): void {
    if (kind === 'bye') return this.#lose(from)
    this.#heardAt.set(from, this.#clock.now())
    if (kind === 'hello' || kind === 'return') this.send(from, 'beat', this.#vitalSigns())
    if (kind === 'return') this.#doubt()
    if (kind === 'hello' || kind === 'return' || kind === 'beat') {
      this.#hearVitals(body as Record<string, unknown>, from)
    } else {
      // Who takes letters of a kind knows what is in them; JSON does not.
      this.#handlers.get(kind)?.(body as never, from)
    }
  }

  #vitalSigns(): Record<string, unknown> {
    return Object.fromEntries([...this.#vitals].map(([name, vital]) => [name, vital.tell()]))
  }

  #hearVitals(signs: Record<string, unknown>, from: string): void {
    for (const [name, vital] of this.#vitals) if (name in signs) vital.hear(signs[name], from)
  }

  #beat(): void {
    this.tell('beat', this.#vitalSigns())
    const now = this.#clock.now()
    // A process that was halted heard nothing meanwhile, and nothing is heard without a connection: that says nothing of others.
    const couldHear = this.backplane.isConnected && now - this.#sweptAt < 2 * BEAT_MS
    this.#sweptAt = now
    if (!couldHear) return this.#renewLeases()
    for (const [nodeId, heardAt] of this.#heardAt) if (now - heardAt >= LEASE_MS) this.#lose(nodeId)
  }

  #returned(): void {
    this.#renewLeases()
    this.tell('return', this.#vitalSigns())
    this.#doubt()
  }

  #doubt(): void {
    for (const listener of this.#whenDoubtful) listener()
  }

  #renewLeases(): void {
    const now = this.#clock.now()
    for (const nodeId of this.#heardAt.keys()) this.#heardAt.set(nodeId, now)
  }

  #lose(nodeId: string): void {
    if (!this.#heardAt.delete(nodeId)) return
    for (const listener of this.#whenGone) listener(nodeId)
    this.#doubt()
  }
}

function routeOf(nodeId: string): string {
  return `node:${nodeId}`
}
