import { onTestFinished } from 'vitest'
import { defineChannel, Refusal } from '../../src/realtime/index.ts'
import { LiteralClient, type LiteralOptions } from '../support/literal-client.ts'
import { startRealtime } from '../support/realtime-server.ts'

/** What the channels of a test did. */
export type Log = string[]

/** The channel that Phoenix's own tests use. */
export function roomChannel(log: Log = []) {
  return defineChannel<{ user: unknown }>({
    pattern: 'room:*',
    join: (_channel, _subtopic, payload) => {
      const { user = null } = (payload ?? {}) as { user?: unknown }
      return { state: { user } }
    },
    joined(channel) {
      channel.push('joined', { status: 'connected', user_id: channel.userId })
      channel.broadcast('user_entered', channel.state)
    },
    left: (channel) => void log.push(`left ${channel.topic}`),
    events: {
      new_msg: { handle: (channel, payload) => channel.broadcast('new_msg', payload) },
      boom: {
        handle: () => {
          throw new Error('boom')
        },
      },
      bin: { handle: (channel) => channel.broadcast('bin_ack', {}) },
      binary_event: {
        handle: (channel, payload) => {
          channel.push('binary_event', Buffer.from([0, 1]))
          return Buffer.concat([payload as Buffer, Buffer.from([3, 4])])
        },
      },
    },
  })
}

/** The custom channel of Phoenix's tests, as a definition. */
export function customChannel() {
  return defineChannel({
    pattern: 'custom:*',
    join(_channel, _subtopic, payload) {
      const { action } = payload as { action: string }
      if (action === 'ignore') throw new Refusal({ action })
      if (action === 'error') throw new Error('oops')
      return { state: null, reply: { action } }
    },
    events: {
      close: {
        handle: (channel) => {
          channel.close()
          return {}
        },
      },
    },
  })
}

type Server = Awaited<ReturnType<typeof startRealtime>>

/** A server with the channels of Phoenix's tests. */
export async function startPhoenix(options: Parameters<typeof startRealtime>[1] = {}) {
  const log: Log = []
  const server = await startRealtime([roomChannel(log), customChannel()], options)
  return { ...server, log, connect: (query: string, more?: LiteralOptions) => connect(server, query, more) }
}

async function connect({ url }: Server, query: string, options?: LiteralOptions): Promise<LiteralClient> {
  const client = await LiteralClient.connect(`${url}/websocket?${query}`, options)
  onTestFinished(() => client.terminate())
  return client
}

/** A message, before it is written in a version of the protocol. */
export interface Message {
  join_ref?: unknown
  ref?: unknown
  topic: string
  event: string
  payload: unknown
}

/** Both versions of the protocol, and how each writes a message. */
export const VERSIONS: { vsn: string; joinRef: string | null; text(message: Message): string }[] = [
  {
    vsn: '1.0.0',
    joinRef: null,
    text: ({ topic, event, payload, ref = null }) =>
      `{"topic":"${topic}","event":"${event}","payload":${JSON.stringify(payload)},"ref":${JSON.stringify(ref)}}`,
  },
  {
    vsn: '2.0.0',
    joinRef: '11',
    text: ({ join_ref = null, ref = null, topic, event, payload }) =>
      `[${JSON.stringify(join_ref)},${JSON.stringify(ref)},"${topic}","${event}",${JSON.stringify(payload)}]`,
  },
]

export const ok = (response: unknown = {}) => ({ status: 'ok', response })
export const error = (reason: string) => ({ status: 'error', response: { reason } })
