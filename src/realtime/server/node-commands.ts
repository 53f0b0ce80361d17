import { OutgoingBroadcast } from '../outgoing-broadcast.ts'
import type { Identity } from '../socket/connection.ts'
import type { Endpoint } from '../socket/endpoint.ts'

/** One user's channels of one topic. */
export interface UserInTopic {
  topic: string
  userId: string
}

/** The sockets of a user, or of a session. */
export type SocketOwner = { userId: string; sessionId?: string } | { userId?: undefined; sessionId: string }

interface PushCommand extends UserInTopic {
  /** The frame for clients, as base64. */
  frame: string
}

/** Carries out on all nodes what is about the sockets of one user. */
export class NodeCommands {
  readonly #endpoint: Endpoint

  constructor(endpoint: Endpoint) {
    const { nodes } = endpoint
    this.#endpoint = endpoint
    nodes.on<PushCommand>('push_to', ({ frame, ...to }) => {
      this.#deliver(to, OutgoingBroadcast.received(Buffer.from(frame, 'base64')))
    })
    nodes.on<UserInTopic>('close_channels', ({ topic, userId }) => endpoint.closeChannels(topic, userId))
    nodes.on<SocketOwner>('disconnect', (owner) => this.#disconnect(owner))
  }

  pushTo(to: UserInTopic, event: string, payload: unknown): void {
    const { nodes } = this.#endpoint
    const broadcast = new OutgoingBroadcast({ topic: to.topic, event, payload })
    this.#deliver(to, broadcast)
    if (nodes.backplane.isSingleNode) return
    const command: PushCommand = { ...to, frame: broadcast.frameForNodes.toString('base64') }
    nodes.publish('push_to', command)
  }

  closeChannels({ topic, userId }: UserInTopic): void {
    this.#endpoint.closeChannels(topic, userId)
    this.#endpoint.nodes.publish('close_channels', { topic, userId })
  }

  /** @throws TypeError without a user and a session, which would be all sockets. */
  disconnect({ userId, sessionId }: SocketOwner): void {
    if (userId === undefined && sessionId === undefined)
      throw new TypeError('userId or sessionId is required')
    const owner = { userId, sessionId } as SocketOwner
    this.#disconnect(owner)
    this.#endpoint.nodes.publish('disconnect', owner)
  }

  #deliver({ topic, userId }: UserInTopic, broadcast: OutgoingBroadcast): void {
    this.#endpoint.pubsub.deliver(topic, broadcast, (id) => id === userId)
  }

  #disconnect({ userId, sessionId }: SocketOwner): void {
    this.#endpoint.disconnect(
      (identity: Identity) =>
        (userId === undefined || identity.userId === userId) &&
        (sessionId === undefined || identity.sessionId === sessionId),
    )
  }
}
