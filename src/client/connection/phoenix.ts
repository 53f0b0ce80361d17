import { LongPoll, Socket } from 'phoenix'

/** A class that opens connections, such as `WebSocket`: that of browsers, of Node 22 or newer, or of the package `ws`. */
export type Transport = new (url: string, protocols?: string | string[]) => object

/** What a push is answered with. */
export interface PhoenixPush {
  receive(status: 'ok' | 'error' | 'timeout', callback: (response: unknown) => void): PhoenixPush
}

/** A channel of the official client. */
export interface PhoenixChannel {
  on(event: string, callback: (payload: unknown) => void): unknown
  onClose(callback: () => void): unknown
  onError(callback: () => void): unknown
  join(): PhoenixPush
  leave(): PhoenixPush
  push(event: string, payload: object | ArrayBuffer, timeout?: number): PhoenixPush
}

/** A socket of the official client. */
export interface PhoenixSocket {
  connect(): void
  disconnect(): void
  isConnected(): boolean
  replaceTransport(transport: Transport): void
  channel(topic: string, payload: () => object): PhoenixChannel
  onOpen(callback: () => void): unknown
  onClose(callback: (event: unknown) => void): unknown
  onError(callback: () => void): unknown
}

/** The long-polling transport of the official client. */
// Its types omit the second parameter, the subprotocols.
export const longPoll = LongPoll as Transport

/** Creates a socket that takes its token from a function whenever it connects. */
export function createSocket(
  url: string,
  { transport, token }: { transport: Transport; token: () => string },
): PhoenixSocket {
  // Its types lack the function as `authToken`, and methods whose parameters its own types know better.
  const Constructor = Socket as unknown as new (url: string, options: object) => PhoenixSocket
  return new Constructor(url, { transport, authToken: token, sessionStorage: NO_STORAGE })
}

/** The official client would remember there that a WebSocket has failed once. */
const NO_STORAGE = { getItem: () => null, setItem: () => {} }
