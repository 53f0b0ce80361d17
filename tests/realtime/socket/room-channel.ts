import { defineChannel, Refusal } from '../../../src/realtime/index.ts'

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
      const outcome = (payload as { outcome?: string } | null)?.outcome
      if (outcome === 'reject') throw new Refusal({ reason: 'not now' })
      if (outcome === 'reject_permanently') throw new Refusal('never', { permanent: true })
      if (outcome === 'crash') throw new Error('a bug in join')
      if (outcome === 'wait') {
        channel.broadcast('joining', { while: 'joining' })
        await gate.opened
      }
      return { state: { name }, reply: { joined: name } }
    },
    joined: (channel) => channel.push('welcome', { name: channel.state.name }),
    left: (channel) => void log.push(`${channel.userId} left ${channel.topic}`),
    events: {
      echo: { handle: (_channel, payload) => payload },
      broadcast: { handle: (channel, payload) => channel.broadcast('message', payload) },
      sequential: { handle: (_channel, payload) => slow(`sequential ${payload}`) },
      concurrent: { concurrent: true, handle: (_channel, payload) => slow(`concurrent ${payload}`) },
      reject: { handle: () => Promise.reject(new Refusal('rejected')) },
      crash: {
        handle: () => {
          throw new Error('a bug')
        },
      },
      crash_async: { handle: async () => Promise.reject(new Error('a later bug')) },
      close_me: {
        handle: async (channel) => {
          channel.close()
          return 'closing'
        },
      },
      bytes: {
        handle: (channel, payload) => {
          channel.broadcast('bytes', payload)
          return payload
        },
      },
    },
  })
}
