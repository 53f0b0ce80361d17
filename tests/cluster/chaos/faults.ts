import { setTimeout as sleep } from 'node:timers/promises'
import type { Link } from '../rig/link.ts'
import type { Node } from '../rig/node.ts'
import type { Journal } from './journal.ts'
import type { Fault } from './schedule.ts'
import type { Site } from './site.ts'

const RESTART_PAUSE_MS = 300

/** A service that can be stopped and started. */
interface Service {
  stop(): Promise<void>
  start(): Promise<void>
}

/** Does what goes wrong to a site, and undoes it. */
export class Faults {
  readonly #site: Site
  readonly #journal: Journal
  /** What is being done to each target: the next waits for it. */
  readonly #busy = new Map<unknown, Promise<void>>()

  constructor(site: Site, journal: Journal) {
    this.#site = site
    this.#journal = journal
  }

  /** Resolves when the fault is undone. */
  async perform(fault: Fault): Promise<void> {
    const { cluster } = this.#site
    switch (fault.kind) {
      case 'kill':
      case 'drain':
      case 'freeze':
        return this.#inTurn(cluster.nodes[fault.node], (node) => this.#strike(node, fault))
      case 'stop_redis':
        return this.#inTurn(cluster.redis, (redis) => this.#stop(redis, 'Redis', fault))
      case 'stop_postgres':
        return this.#inTurn(cluster.postgres, (postgres) => this.#stop(postgres, 'PostgreSQL', fault))
      case 'cut_off_redis':
        return this.#inTurn(this.#member(fault.node).toRedis, (link) => this.#stall([link], fault))
      case 'cut_off_postgres':
        return this.#inTurn(this.#member(fault.node).toPostgres, (link) => this.#stall([link], fault))
      case 'tear_redis':
        return this.#tear([this.#member(fault.node).toRedis], fault)
      case 'tear_postgres':
        return this.#tear([this.#member(fault.node).toPostgres], fault)
      case 'cut_clients':
        return this.#tear(this.#linksOf(fault.clients), fault)
      case 'stall_clients':
        return this.#stall(this.#linksOf(fault.clients), fault)
    }
  }

  /** One after the other, for each target. */
  #inTurn<T>(target: T | undefined, work: (target: T) => Promise<void>): Promise<void> {
    if (target === undefined) throw new Error('There is no such target.')
    const turn = (this.#busy.get(target) ?? Promise.resolve()).then(() => work(target))
    this.#busy.set(target, turn)
    return turn
  }

  async #strike(node: Node, fault: Fault & { lasts: number }): Promise<void> {
    this.#begin(fault, node.name)
    if (fault.kind === 'freeze') {
      node.freeze()
      await sleep(fault.lasts)
      node.thaw()
    } else {
      if (fault.kind === 'kill') await node.kill()
      else await this.#drain(node)
      await sleep(fault.lasts)
      await this.#startAgain(node)
    }
    this.#end(fault, node.name)
  }

  async #drain(node: Node): Promise<void> {
    const how = await node.stop()
    if (how !== 0)
      this.#journal.violation(`${node.name} ended with ${how} when it was asked to`, {
        details: [node.output.slice(-2_000)],
      })
  }

  /** As a supervisor does: a node that ends because a service is away is started again. */
  async #startAgain(node: Node): Promise<void> {
    for (;;) {
      try {
        return await node.start()
      } catch (error) {
        if (node.isRunning) throw error
        await sleep(RESTART_PAUSE_MS)
      }
    }
  }

  async #stop(service: Service, name: string, fault: Fault & { lasts: number }): Promise<void> {
    this.#begin(fault, name)
    await service.stop()
    await sleep(fault.lasts)
    await service.start()
    this.#end(fault, name)
  }

  async #stall(links: Link[], fault: Fault & { lasts: number }): Promise<void> {
    this.#begin(fault, targetOf(fault))
    for (const link of links) link.stall()
    await sleep(fault.lasts)
    for (const link of links) link.flow()
    this.#end(fault, targetOf(fault))
  }

  async #tear(links: Link[], fault: Fault & { bytes: number; outward: boolean }): Promise<void> {
    this.#begin(fault, targetOf(fault))
    for (const link of links) link.cutAfter(fault.bytes, fault)
  }

  #member(node: number) {
    const member = this.#site.cluster.members[node]
    if (!member) throw new Error(`There is no node ${node}.`)
    return member
  }

  #linksOf(clients: number[]): Link[] {
    return clients.flatMap((client) => this.#site.devices[client]?.link ?? [])
  }

  #begin({ kind }: Fault, target: string): void {
    this.#journal.count(`fault ${kind}`)
    this.#journal.note(`FAULT ${kind} of ${target}`)
  }

  #end({ kind }: Fault, target: string): void {
    this.#journal.note(`over: ${kind} of ${target}`)
  }
}

function targetOf(fault: Fault): string {
  if ('node' in fault) return `node ${fault.node + 1}`
  return 'clients' in fault ? `devices ${fault.clients.join(', ')}` : 'all'
}
