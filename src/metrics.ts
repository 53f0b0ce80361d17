import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client'
import type { Endpoint } from './realtime/socket/endpoint.ts'

let processMetrics: Registry | undefined

/**
 * Creates the registry of a server, with the metrics of the process in it. Those are collected once for all servers of the process,
 * because prom-client cannot stop collecting them.
 */
export function createRegistry(): Registry {
  if (!processMetrics) {
    processMetrics = new Registry()
    collectDefaultMetrics({ register: processMetrics })
  }
  return Registry.merge([processMetrics])
}

/** Registers the metrics of the channel server and the backplane. */
export function registerRealtimeMetrics(
  registry: Registry,
  endpoint: Endpoint,
  missed: { readonly catchUps: number },
): void {
  const { nodes } = endpoint
  new Gauge({
    name: 'parley_sockets',
    help: 'Open sockets and long-polling sessions.',
    registers: [registry],
    collect() {
      this.set(endpoint.connectionCount)
    },
  })
  new Gauge({
    name: 'parley_nodes',
    help: 'Live nodes, including this one.',
    registers: [registry],
    collect() {
      this.set(nodes.count)
    },
  })
  new Gauge({
    name: 'parley_backplane_connected',
    help: '1 while the backplane is connected.',
    registers: [registry],
    collect() {
      this.set(nodes.backplane.isConnected ? 1 : 0)
    },
  })
  new Counter({
    name: 'parley_catch_ups_total',
    help: 'Reads of events from the database that were not received from another node in time.',
    registers: [registry],
    collect() {
      this.reset()
      this.inc(missed.catchUps)
    },
  })
}
