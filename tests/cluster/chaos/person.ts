import { setTimeout as sleep } from 'node:timers/promises'
import type { Settled } from '../../support/phoenix.ts'
import type { Device } from './device.ts'
import type { Random } from './random.ts'

const RETRY_DELAY_MS = 250
/** Errors after which a request is retried. */
const TEMPORARY_ERRORS = /^(timeout|rate_limited|busy|unmatched topic|invalid_token|unauthorized)$/

/** A reply, and the node that sent it. */
export interface PersonReply extends Settled {
  via: string
}

/** A user with several devices. Requests that get no reply on one device are retried on any. */
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

  /** The access token of the first device. */
  get token(): string {
    return this.devices[0]?.token ?? ''
  }

  /**
   * Pushes an event, and retries until the reply is final. `payload` is created for each attempt. Returns undefined if no device
   * has joined the topic for a while.
   * @param onTimeout called for each attempt without a reply.
   */
  async request(
    topic: string,
    event: string,
    payload: (device: Device) => object,
    onTimeout: () => void = () => {},
  ): Promise<PersonReply | undefined> {
    for (let missedChecks = 0; missedChecks < 60_000 / RETRY_DELAY_MS; ) {
      const joined = this.devices.filter((device) => device.hasJoined(topic))
      if (joined.length === 0) {
        if (this.#hasLeft(topic)) missedChecks += 20
        missedChecks += 1
        await sleep(RETRY_DELAY_MS)
        continue
      }
      const device = this.#random.pick(joined)
      const { nodeName: via } = device
      const answer = await device.push(topic, event, payload(device))
      if (answer.status === 'ok') return { ...answer, via }
      const reason = reasonOf(answer)
      if (!TEMPORARY_ERRORS.test(reason)) return { ...answer, via }
      if (reason === 'timeout') onTimeout()
      await sleep(RETRY_DELAY_MS)
    }
    return undefined
  }

  /** Whether all devices are connected and none has the topic: the user has left it or was removed. */
  #hasLeft(topic: string): boolean {
    return this.devices.every((device) => device.isReady && !device.topics.includes(topic))
  }
}

/** The reason of an error reply, or `timeout`. */
export function reasonOf({ status, response }: Settled): string {
  if (status === 'timeout') return 'timeout'
  return typeof response === 'string' ? response : String(response?.reason)
}
