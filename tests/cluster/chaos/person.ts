import { setTimeout as sleep } from 'node:timers/promises'
import type { Settled } from '../../support/phoenix.ts'
import type { Device } from './device.ts'
import type { Random } from './random.ts'

const PAUSE_MS = 250
/** Errors that say: not now. */
const PASSING = /^(timeout|rate_limited|busy|unmatched topic|invalid_token|unauthorized)$/

/** An answer, and the node it came from. */
export interface Answered extends Settled {
  via: string
}

/** Somebody with several devices, who asks over another one when one gets no answer. */
export class Person {
  readonly id: string
  readonly name: string
  readonly devices: readonly Device[]
  readonly #random: Random

  constructor(name: string, id: string, { devices, random }: { devices: Device[]; random: Random }) {
    this.name = name
    this.id = id
    this.devices = devices
    this.#random = random
  }

  /** The access token of one of their devices. */
  get token(): string {
    return this.devices[0]?.token ?? ''
  }

  /**
   * Asks until there is an answer that means something; `payload` is made anew for each try. Gives up, with undefined, when
   * nobody is in the topic any more for a while.
   * @param tried is told of each try that got no answer.
   */
  async ask(
    topic: string,
    event: string,
    payload: (device: Device) => object,
    tried: () => void = () => {},
  ): Promise<Answered | undefined> {
    for (let missing = 0; missing < 60_000 / PAUSE_MS; ) {
      const there = this.devices.filter((device) => device.isIn(topic))
      if (there.length === 0) {
        if (this.#isOut(topic)) missing += 20
        missing += 1
        await sleep(PAUSE_MS)
        continue
      }
      const device = this.#random.pick(there)
      const { where: via } = device
      const answer = await device.push(topic, event, payload(device))
      if (answer.status === 'ok') return { ...answer, via }
      const reason = reasonOf(answer)
      if (!PASSING.test(reason)) return { ...answer, via }
      if (reason === 'timeout') tried()
      await sleep(PAUSE_MS)
    }
    return undefined
  }

  /** Whether all devices are connected and none of them knows the topic: one has left it, or was put out. */
  #isOut(topic: string): boolean {
    return this.devices.every((device) => device.isSettled && !device.topics.includes(topic))
  }
}

/** Why something was refused, in one word. */
export function reasonOf({ status, response }: Settled): string {
  if (status === 'timeout') return 'timeout'
  return typeof response === 'string' ? response : String(response?.reason)
}
