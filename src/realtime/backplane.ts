/** Takes what another node published. */
export type RouteListener = (message: Buffer) => void

/**
 * Carries messages between the nodes of one deployment, at most once, and never back to the node they come from. Those of
 * one node to one route arrive in order.
 */
export interface Backplane {
  /** Names this node among the others. */
  readonly nodeId: string
  /** Whether there is, and will be, no other node: nothing need be published. */
  readonly isAlone: boolean
  /** Whether the other nodes can be reached. What is published while they cannot is lost. */
  readonly isConnected: boolean
  /**
   * Hears a route. What is published after the promise has resolved will be heard; while the others cannot be reached it
   * resolves at once, and the route is heard from when they can. Undefined where there is nothing to wait for.
   */
  subscribe(route: string, listener: RouteListener): Promise<void> | undefined
  unsubscribe(route: string): void
  publish(route: string, message: Uint8Array): void
  /** Adds what is called whenever the others can be reached again: what either side published meanwhile is lost. */
  onRestored(listener: () => void): void
  /** Lets go of the connection. Nothing is heard any more. */
  close(): Promise<void>
}
