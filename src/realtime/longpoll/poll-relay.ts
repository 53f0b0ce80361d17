import type { Clock } from '../../clock.ts'
import type { Nodes } from '../cluster/nodes.ts'
import { PollStatus } from '../codes.ts'
import type { PollAnswer, Pollable } from './poll-session.ts'
import type { PollAddress } from './poll-tokens.ts'

/** A request that a node forwards to the node of the session. */
interface RelayedRequest {
  ref: number
  id: string
  /** What the client posted, as base64; absent for a poll. */
  body?: string
  isBatch?: boolean
}

interface RelayedAnswer {
  ref: number
  /** `waits` confirms a poll whose answer follows later. */
  answer: PollAnswer | 'waits'
}

/** A request that this node has forwarded. */
interface PendingRequest {
  nodeId: string
  answer: (answer: PollAnswer) => void
  cancelTimeout: () => void
}

/** How long the other node may take to answer, or to confirm a poll. */
const RELAY_TIMEOUT_MS = 5_000
/** How long the answer to a confirmed poll may take. Longer than polls wait for messages. */
const LONG_POLL_RELAY_TIMEOUT_MS = 15_000

/** Forwards requests to the node of their session, because a load balancer may send them to any node. */
export class PollRelay {
  readonly #nodes: Nodes
  readonly #clock: Clock
  readonly #find: (id: string) => Pollable | undefined
  readonly #requests = new Map<number, PendingRequest>()
  /** Cancels the polls that other nodes have forwarded to this one, by node and ref. */
  readonly #relayedPolls = new Map<string, () => void>()
  #lastRef = 0

  /** @param find returns a session of this node. */
  constructor(nodes: Nodes, clock: Clock, find: (id: string) => Pollable | undefined) {
    this.#nodes = nodes
    this.#clock = clock
    this.#find = find
    nodes.on<RelayedRequest>('poll', (request, from) => this.#receiveRequest(request, from))
    nodes.on<RelayedAnswer>('poll_answer', (answer) => this.#receiveAnswer(answer))
    nodes.on<{ ref: number }>('poll_left', ({ ref }, from) => this.#cancelPoll(`${from} ${ref}`))
    nodes.onNodeLost((nodeId) => {
      for (const [ref, request] of this.#requests) if (request.nodeId === nodeId) this.#fail(ref)
    })
  }

  /** A session of another node; undefined if the node is not alive. */
  session({ nodeId, id }: PollAddress): Pollable | undefined {
    if (!this.#nodes.has(nodeId)) return undefined
    return {
      poll: (answer) => {
        const ref = this.#forward(nodeId, { id }, answer)
        return () => {
          if (this.#remove(ref)) this.#nodes.send(nodeId, 'poll_left', { ref })
        }
      },
      publish: (body, isBatch, answer) => {
        this.#forward(nodeId, { id, body: body.toString('base64'), isBatch }, answer)
      },
    }
  }

  #forward(
    nodeId: string,
    request: Omit<RelayedRequest, 'ref'>,
    answer: (answer: PollAnswer) => void,
  ): number {
    const ref = ++this.#lastRef
    const cancelTimeout = this.#clock.after(RELAY_TIMEOUT_MS, () => this.#fail(ref))
    this.#requests.set(ref, { nodeId, answer, cancelTimeout })
    this.#nodes.send(nodeId, 'poll', { ref, ...request })
    return ref
  }

  #receiveAnswer({ ref, answer }: RelayedAnswer): void {
    const request = this.#requests.get(ref)
    if (!request) return
    if (answer === 'waits') {
      request.cancelTimeout()
      request.cancelTimeout = this.#clock.after(LONG_POLL_RELAY_TIMEOUT_MS, () => this.#fail(ref))
    } else {
      this.#remove(ref)
      request.answer(answer)
    }
  }

  #fail(ref: number): void {
    const request = this.#requests.get(ref)
    this.#remove(ref)
    request?.answer({ status: PollStatus.gone })
  }

  #remove(ref: number): boolean {
    this.#requests.get(ref)?.cancelTimeout()
    return this.#requests.delete(ref)
  }

  #receiveRequest({ ref, id, body, isBatch = false }: RelayedRequest, from: string): void {
    const session = this.#find(id)
    const respond = (answer: RelayedAnswer['answer']) => {
      this.#nodes.send(from, 'poll_answer', { ref, answer })
    }
    if (!session) return respond({ status: PollStatus.gone })
    if (body !== undefined) return session.publish(Buffer.from(body, 'base64'), isBatch, respond)
    const key = `${from} ${ref}`
    let isAnswered = false
    const cancel = session.poll((answer) => {
      isAnswered = true
      this.#relayedPolls.delete(key)
      respond(answer)
    })
    if (isAnswered) return
    this.#relayedPolls.set(key, cancel)
    respond('waits')
  }

  #cancelPoll(key: string): void {
    this.#relayedPolls.get(key)?.()
    this.#relayedPolls.delete(key)
  }
}
