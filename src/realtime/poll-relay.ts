import type { Clock } from '../clock.ts'
import type { Nodes } from './nodes.ts'
import type { PollAnswer, Pollable } from './poll-session.ts'
import type { PollAddress } from './poll-tokens.ts'

/** A request for a session, as the node it came to tells it to the node where the session lives. */
interface Request {
  ref: number
  id: string
  /** What the client sent, in base64; a poll without. */
  body?: string
  isBatch?: boolean
}

/** `waits`: the poll was heard, its answer comes later. */
interface Response {
  ref: number
  answer: PollAnswer | 'waits'
}

interface Asked {
  nodeId: string
  answer: (answer: PollAnswer) => void
  stopWaiting: () => void
}

/** How long another node may be silent before it is taken for gone. */
const PATIENCE_MS = 5_000
/** The same for a poll that it said it heard: as long as polls wait, and then some. */
const LONG_PATIENCE_MS = 15_000

/** Takes requests for sessions to the nodes where they live: a client's requests may reach any. */
export class PollRelay {
  readonly #nodes: Nodes
  readonly #clock: Clock
  readonly #find: (id: string) => Pollable | undefined
  readonly #asked = new Map<number, Asked>()
  /** Polls of other nodes' clients that wait here, and how to stop them. */
  readonly #guests = new Map<string, () => void>()
  #ref = 0

  /** @param find the session of this node that has an id. */
  constructor(nodes: Nodes, clock: Clock, find: (id: string) => Pollable | undefined) {
    this.#nodes = nodes
    this.#clock = clock
    this.#find = find
    nodes.on<Request>('poll', (request, from) => this.#take(request, from))
    nodes.on<Response>('poll_answer', (response) => this.#hear(response))
    nodes.onGone((nodeId) => {
      for (const [ref, asked] of this.#asked) if (asked.nodeId === nodeId) this.#giveUp(ref)
    })
    nodes.on<{ ref: number }>('poll_left', ({ ref }, from) => this.#leave(`${from} ${ref}`))
  }

  /** A session of another node; undefined when there is no such node. */
  session({ nodeId, id }: PollAddress): Pollable | undefined {
    if (!this.#nodes.has(nodeId)) return undefined
    return {
      poll: (answer) => {
        const ref = this.#ask(nodeId, { id }, answer)
        return () => {
          if (!this.#forget(ref)) return
          this.#nodes.send(nodeId, 'poll_left', { ref })
        }
      },
      publish: (body, isBatch, answer) => {
        this.#ask(nodeId, { id, body: body.toString('base64'), isBatch }, answer)
      },
    }
  }

  #ask(nodeId: string, request: Omit<Request, 'ref'>, answer: (answer: PollAnswer) => void): number {
    const ref = ++this.#ref
    this.#asked.set(ref, {
      nodeId,
      answer,
      stopWaiting: this.#clock.after(PATIENCE_MS, () => this.#giveUp(ref)),
    })
    this.#nodes.send(nodeId, 'poll', { ref, ...request })
    return ref
  }

  #hear({ ref, answer }: Response): void {
    const asked = this.#asked.get(ref)
    if (!asked) return
    if (answer === 'waits') {
      asked.stopWaiting()
      asked.stopWaiting = this.#clock.after(LONG_PATIENCE_MS, () => this.#giveUp(ref))
    } else {
      this.#forget(ref)
      asked.answer(answer)
    }
  }

  #giveUp(ref: number): void {
    const asked = this.#asked.get(ref)
    this.#forget(ref)
    asked?.answer({ status: 410 })
  }

  #forget(ref: number): boolean {
    this.#asked.get(ref)?.stopWaiting()
    return this.#asked.delete(ref)
  }

  #take({ ref, id, body, isBatch = false }: Request, from: string): void {
    const session = this.#find(id)
    const respond = (answer: Response['answer']) => this.#nodes.send(from, 'poll_answer', { ref, answer })
    if (!session) return respond({ status: 410 })
    if (body !== undefined) return session.publish(Buffer.from(body, 'base64'), isBatch, respond)
    const guest = `${from} ${ref}`
    let isAnswered = false
    const leave = session.poll((answer) => {
      isAnswered = true
      this.#guests.delete(guest)
      respond(answer)
    })
    if (isAnswered) return
    this.#guests.set(guest, leave)
    respond('waits')
  }

  #leave(guest: string): void {
    this.#guests.get(guest)?.()
    this.#guests.delete(guest)
  }
}
