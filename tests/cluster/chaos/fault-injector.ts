import { setTimeout as sleep } from 'node:timers/promises'
import type { Node } from '../harness/node.ts'
import type { TcpProxy } from '../harness/tcp-proxy.ts'
import type { Deployment } from './deployment.ts'
import type { Journal } from './journal.ts'
import type { Fault } from './schedule.ts'

const RESTART_DELAY_MS = 300

/** A service that can be stopped and started. */
interface Service {
  stop(): Promise<void>
  start(): Promise<void>
}

/** Injects faults into a deployment, and ends them. */
export class FaultInjector {
  readonly #deployment: Deployment
  readonly #journal: Journal
  /** The fault in progress for each target. The next one waits for it. */
  readonly #inProgress = new Map<unknown, Promise<void>>()

  constructor(deployment: Deployment, journal: Journal) {
    this.#deployment = deployment
    this.#journal = journal
  }

  /** Resolves when the fault has ended. */
  async perform(fault: Fault): Promise<void> {
    const { cluster } = this.#deployment
    switch (fault.kind) {
      case 'kill':
      case 'drain':
      case 'freeze':
        return this.#serialized(cluster.nodes[fault.node], (node) => this.#interruptNode(node, fault))
      case 'stop_redis':
        return this.#serialized(cluster.redis, (redis) => this.#stop(redis, 'Redis', fault))
      case 'stop_postgres':
        return this.#serialized(cluster.postgres, (postgres) => this.#stop(postgres, 'PostgreSQL', fault))
      case 'stall_redis':
        return this.#serialized(this.#member(fault.node).toRedis, (proxy) => this.#stall([proxy], fault))
      case 'stall_postgres':
        return this.#serialized(this.#member(fault.node).toPostgres, (proxy) => this.#stall([proxy], fault))
      case 'cut_redis':
        return this.#cut([this.#member(fault.node).toRedis], fault)
      case 'cut_postgres':
        return this.#cut([this.#member(fault.node).toPostgres], fault)
      case 'cut_clients':
        return this.#cut(this.#proxiesOf(fault.clients), fault)
      case 'stall_clients':
        return this.#stall(this.#proxiesOf(fault.clients), fault)
    }
  }

  /** Runs the faults of one target one after another. */
  #serialized<T>(target: T | undefined, work: (target: T) => Promise<void>): Promise<void> {
    if (target === undefined) throw new Error('There is no such target.')
    const done = (this.#inProgress.get(target) ?? Promise.resolve()).then(() => work(target))
    this.#inProgress.set(target, done)
    return done
  }

  async #interruptNode(node: Node, fault: Fault & { durationMs: number }): Promise<void> {
    this.#begin(fault, node.name)
    if (fault.kind === 'freeze') {
      node.freeze()
      await sleep(fault.durationMs)
      node.thaw()
    } else {
      if (fault.kind === 'kill') await node.kill()
      else await this.#drain(node)
      await sleep(fault.durationMs)
      await this.#restart(node)
    }
    this.#end(fault, node.name)
  }

  async #drain(node: Node): Promise<void> {
    const how = await node.stop()
    if (how !== 0)
      this.#journal.violation(`${node.name} ended with ${how} after SIGTERM`, {
        details: [node.output.slice(-2_000)],
      })
  }

  /** Restarts a node, as a supervisor does. A node that exits because a service is unavailable is started again. */
  async #restart(node: Node): Promise<void> {
    for (;;) {
      try {
        return await node.start()
      } catch (error) {
        if (node.isRunning) throw error
        await sleep(RESTART_DELAY_MS)
      }
    }
  }

  async #stop(service: Service, name: string, fault: Fault & { durationMs: number }): Promise<void> {
    this.#begin(fault, name)
    await service.stop()
    await sleep(fault.durationMs)
    await service.start()
    this.#end(fault, name)
  }

  async #stall(proxies: TcpProxy[], fault: Fault & { durationMs: number }): Promise<void> {
    this.#begin(fault, targetOf(fault))
    for (const proxy of proxies) proxy.stall()
    await sleep(fault.durationMs)
    for (const proxy of proxies) proxy.resume()
    this.#end(fault, targetOf(fault))
  }

  async #cut(proxies: TcpProxy[], fault: Fault & { bytes: number; upstream: boolean }): Promise<void> {
    this.#begin(fault, targetOf(fault))
    for (const proxy of proxies) proxy.cutAfter(fault.bytes, fault)
  }

  #member(node: number) {
    const member = this.#deployment.cluster.members[node]
    if (!member) throw new Error(`There is no node ${node}.`)
    return member
  }

  #proxiesOf(clients: number[]): TcpProxy[] {
    return clients.flatMap((client) => this.#deployment.devices[client]?.proxy ?? [])
  }

  #begin({ kind }: Fault, target: string): void {
    this.#journal.count(`fault ${kind}`)
    this.#journal.note(`FAULT ${kind} of ${target}`)
  }

  #end({ kind }: Fault, target: string): void {
    this.#journal.note(`end of ${kind} of ${target}`)
  }
}

function targetOf(fault: Fault): string {
  if ('node' in fault) return `node ${fault.node + 1}`
  return 'clients' in fault ? `devices ${fault.clients.join(', ')}` : 'all'
}
