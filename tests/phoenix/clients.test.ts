import { RealtimeChannel, RealtimeClient } from '@supabase/realtime-js'
import type { Channel, Socket } from 'phoenix'
import * as phoenix18 from 'phoenix'
import * as phoenix13 from 'phoenix-1.3'
import * as phoenix14 from 'phoenix-1.4'
import * as phoenix15 from 'phoenix-1.5'
import * as phoenix16 from 'phoenix-1.6'
import * as phoenix17 from 'phoenix-1.7'
import * as phoenixChannels from 'phoenix-channels'
import * as phoenixSocket from 'phoenix-socket'
import { expect, it, onTestFinished } from 'vitest'
import { WebSocket } from 'ws'
import { startApp } from '../support/app.ts'
import { copiesFor, KEYS } from '../support/conversations.ts'
import { eventually } from '../support/eventually.ts'
import { type Json, listen, type Settled, settle } from '../support/phoenix.ts'

/** A channel, as the scenario uses it. */
interface Joined {
  /** How many joins were answered with ok. */
  readonly joins: number
  push(event: string, payload: object): Promise<Settled>
  listen(event: string): () => Promise<Json>
  leave(): Promise<unknown>
}

/** A connected client. */
interface Client {
  join(topic: string): Promise<Joined>
}

/** Some clients join again before the reply has arrived, if it takes longer than this. */
const backoff = (tries: number) => 50 * 2 ** tries
const OPTIONS = { reconnectAfterMs: backoff, rejoinAfterMs: backoff, timeout: 60_000 }

function phoenixClient(Library: { Socket: typeof Socket }) {
  return (url: string, token: string): Client => {
    const options = { params: { token }, transport: WebSocket, ...OPTIONS }
    const socket = new Library.Socket(url, options as object)
    socket.connect()
    onTestFinished(() => socket.disconnect())
    return {
      async join(topic) {
        const channel: Channel = socket.channel(topic, { token })
        let joins = 0
        const { push, listen: hear } = {
          push: (event: string, payload: object) => settle(channel.push(event, { token, ...payload })),
          listen: (event: string) => listen(channel, event),
        }
        const joined = channel.join()
        joined.receive('ok', () => void joins++)
        expect((await settle(joined)).status).toBe('ok')
        return {
          get joins() {
            return joins
          },
          push,
          listen: hear,
          leave: () => settle(channel.leave()),
        }
      },
    }
  }
}

/** Supabase's client puts `realtime:` before topics and sends its own join payload; below that it is a client like any other. */
function supabaseClient(url: string, token: string): Client {
  const params = { apikey: 'unused', token }
  // The client asks for the type of the browser's WebSocket.
  const client = new RealtimeClient(url, { params, transport: WebSocket as never, ...OPTIONS })
  client.connect()
  onTestFinished(() => void client.disconnect())
  return {
    async join(topic) {
      const channel = new RealtimeChannel(topic, { config: {} }, client) as Json
      const { channelAdapter } = channel
      let joins = 0
      channelAdapter.updateJoinPayload({ token })
      const joined = channelAdapter.subscribe()
      joined.receive('ok', () => void joins++)
      expect((await settle(joined)).status).toBe('ok')
      return {
        get joins() {
          return joins
        },
        push: (event, payload) => settle(channelAdapter.push(event, { token, ...payload })),
        listen: (event) => listen(channelAdapter, event),
        leave: () => settle(channelAdapter.unsubscribe()),
      }
    },
  }
}

const CLIENTS: [name: string, connect: (url: string, token: string) => Client][] = [
  ['phoenix 1.3', phoenixClient(phoenix13)],
  ['phoenix 1.4', phoenixClient(phoenix14)],
  ['phoenix 1.5', phoenixClient(phoenix15)],
  ['phoenix 1.6', phoenixClient(phoenix16)],
  ['phoenix 1.7', phoenixClient(phoenix17)],
  ['phoenix 1.8', phoenixClient(phoenix18)],
  ['@supabase/realtime-js', supabaseClient],
  ['phoenix-channels', phoenixClient(phoenixChannels)],
  ['phoenix-socket', phoenixClient(phoenixSocket)],
]

it.each(CLIENTS)(
  '%s: presence, a conversation, messages both ways, leave and rejoin, a restart of the server',
  async (_name, connect) => {
    const app = await startApp()
    const url = `${app.url.replace('http', 'ws')}/socket`
    const [ann, bob] = [await app.signUp('ann'), await app.signUp('bob')]
    const bobs = phoenixClient(phoenix18)(url, bob.token)
    const [, bobInbox] = [await bobs.join('system:general'), await bobs.join(`user:${bob.id}`)]
    const toBob = bobInbox.listen('new_message')
    const anns = connect(url, ann.token)

    const inbox = await anns.join(`user:${ann.id}`)
    const [invited, toAnn] = [inbox.listen('new_conversation'), inbox.listen('new_message')]
    const system = await anns.join('system:general')
    const diffs = system.listen('presence_diff')
    app.clock.advance(100)
    const first = await diffs()
    expect(Object.keys(first.joins).sort()).toEqual([ann.id, bob.id].sort())

    const start = { user_ids: [bob.id], ...KEYS }
    const { response: id } = await system.push('start_group_conversation', start)
    expect((await invited()).conversation.id).toBe(id)
    let talk = await anns.join(`conversation:${id}`)
    const bobTalk = await bobs.join(`conversation:${id}`)

    const talkBothWays = async (text: string) => {
      const [there, back] = [copiesFor([ann, bob], `${text}, there`), copiesFor([ann, bob], `${text}, back`)]
      expect(await talk.push('send_message', there)).toEqual({ status: 'ok', response: 'message_sent' })
      expect((await toBob()).message.content).toBe(`${text}, there`)
      expect((await toAnn()).message.content).toBe(`${text}, there`)
      expect((await bobTalk.push('send_message', back)).status).toBe('ok')
      expect((await toBob()).message.content).toBe(`${text}, back`)
      expect((await toAnn()).message.content).toBe(`${text}, back`)
    }
    await talkBothWays('first')

    await talk.leave()
    talk = await anns.join(`conversation:${id}`)
    await talkBothWays('after leaving')

    const restarted = await app.restart()
    const all = [inbox, system, talk, bobInbox, bobTalk]
    await eventually(() => expect(all.map(({ joins }) => joins)).toEqual([2, 2, 2, 2, 2]))
    await talkBothWays('after the restart')
    restarted.clock.advance(100)
    const again = await diffs()
    expect(again.joins[ann.id].metas[0].phx_ref).not.toBe(first.joins[ann.id].metas[0].phx_ref)
  },
)
