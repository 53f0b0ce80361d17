import type { Channel, Push, Socket, SocketConnectOption } from 'phoenix'
import * as phoenix18 from 'phoenix'
import * as phoenix16 from 'phoenix-1.6'
import * as phoenix17 from 'phoenix-1.7'
import { WebSocket } from 'ws'

/** The versions of the official client that are supported. */
export const phoenixVersions = { '1.6': phoenix16, '1.7': phoenix17, '1.8': phoenix18 } as const
export type PhoenixVersion = keyof typeof phoenixVersions

// biome-ignore lint/suspicious/noExplicitAny: the shape of received JSON is what a test checks
export type Json = any

export interface Settled {
  status: 'ok' | 'error' | 'timeout'
  response: Json
}

/** Opens an official client's socket. Version 1.8 can send its token as a subprotocol: `authToken`. */
export function openSocket(
  url: string,
  { version = '1.8', token, authToken, ...options }: SocketOptions = {},
): Socket {
  const { Socket: PhoenixSocket } = phoenixVersions[version]
  const socket = new PhoenixSocket(url, {
    transport: WebSocket,
    ...(token === undefined ? {} : { params: { token } }),
    ...(authToken === undefined ? {} : { authToken }),
    ...options,
  } as Partial<SocketConnectOption>)
  socket.connect()
  return socket
}

interface SocketOptions extends Partial<SocketConnectOption> {
  version?: PhoenixVersion
  token?: string
  authToken?: string
}

/** Waits for the reply to a join or a push. */
export function settle(push: Push): Promise<Settled> {
  return new Promise((resolve) => {
    for (const status of ['ok', 'error', 'timeout'] as const) {
      push.receive(status, (response) => resolve({ status, response }))
    }
  })
}

/** Records the events of one name that a channel receives. Each call of the result waits for the next one. */
export function listen<T = Json>(channel: Channel, event: string): () => Promise<T> {
  const received: T[] = []
  const waiting: ((payload: T) => void)[] = []
  channel.on(event, (payload: T) => {
    const next = waiting.shift()
    if (next) next(payload)
    else received.push(payload)
  })
  return () =>
    received.length ? Promise.resolve(received.shift() as T) : new Promise((resolve) => waiting.push(resolve))
}
