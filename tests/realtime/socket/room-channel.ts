import type { Channel } from '../../../src/realtime/socket/channel.ts'
import { defineChannel, Refusal } from '../../../src/realtime/socket/channel-definition.ts'

/** Lets a test wait for events and control when they continue. */
export class Gate {
  readonly opened: Promise<void>
  open: () => void = () => {}

  constructor() {
    this.opened = new Promise((resolve) => {
      this.open = resolve
    })
  }
}

/** Channels that use every feature of the channel server. */
export function roomChannel({ gate = new Gate(), log = [] as string[] } = {}) {
  const slow = async (name: string) => {
    log.push(`${name} starts`)
    await gate.opened
    log.push(`${name} ends`)
    return name
  }
  return defineChannel<{ name: string }>({
    pattern: 'room:*',
    async join(channel, name, payload) {
      const wish = (payload as { wish?: string } | null)?.wish
      if (wish === 'refuse') throw new Refusal({ reason: 'not now' })
      if (wish === 'refuse for good') throw new Refusal('never', true)
      if (wish === 'crash') throw new Error('a bug in join')
      if (wish === 'wait') {
        channel.broadcast('announced', { while: 'joining' })
        await gate.opened
      }
      return { state: { name }, reply: { joined: name } }
    },
    joined: (channel, { name }) => channel.push('welcome', { name }),
    left: (channel) => void log.push(`${channel.userId} left ${channel.topic}`),
    events: {
      echo: { handle: (_channel, _state, payload) => payload },
      shout: { handle: (channel: Channel, _state, payload) => channel.broadcast('shouted', payload) },
      later: { handle: (_channel, _state, payload) => slow(`later ${payload}`) },
      meanwhile: { concurrent: true, handle: (_channel, _state, payload) => slow(`meanwhile ${payload}`) },
      refuse: { handle: () => Promise.reject(new Refusal('not you')) },
      crash: {
        handle: () => {
          throw new Error('a bug')
        },
      },
      crash_later: { handle: async () => Promise.reject(new Error('a later bug')) },
      close_me: {
        handle: async (channel) => {
          channel.close()
          return 'closing'
        },
      },
      bytes: {
        handle: (channel, _state, payload) => {
          channel.broadcast('bytes', payload)
          return payload
        },
      },
    },
  })
}
