/** Receives the messages that other nodes publish on a route. */
export type RouteListener = (message: Buffer) => void

/**
 * Carries messages between the nodes of a deployment, at most once. A node does not receive its own messages. Messages of one
 * node on one route arrive in order.
 */
export interface Backplane {
  /** Unique among the nodes of a deployment. */
  readonly nodeId: string
  /** Whether the deployment can only have one node, so that nothing needs to be published. */
  readonly isSingleNode: boolean
  /** Whether the other nodes can be reached. Messages published while they cannot are lost. */
  readonly isConnected: boolean
  /**
   * Subscribes to a route. Messages published after the promise resolves are received. While the backplane is disconnected it
   * resolves immediately, and the subscription takes effect after the reconnection. Undefined if there is nothing to wait for.
   */
  subscribe(route: string, listener: RouteListener): Promise<void> | undefined
  unsubscribe(route: string): void
  publish(route: string, message: Uint8Array): void
  /** Adds a listener for reconnections. Messages published in either direction before may be lost. */
  onRestored(listener: () => void): void
  /** Closes the connection. No listener is called afterwards. */
  close(): Promise<void>
}
