import { Counter, Gauge, type Registry } from 'prom-client'
import type { Endpoint } from './realtime/endpoint.ts'

/** Adds what the channel server knows of itself, and of other nodes, to the metrics. */
export function measureRealtime(
  registry: Registry,
  endpoint: Endpoint,
  missed: { readonly catchUps: number },
): void {
  const { nodes } = endpoint
  new Gauge({
    name: 'parley_sockets',
    help: 'Open sockets.',
    registers: [registry],
    collect() {
      this.set(endpoint.socketCount)
    },
  })
  new Gauge({
    name: 'parley_nodes',
    help: 'Nodes that are heard, this one included.',
    registers: [registry],
    collect() {
      this.set(nodes.count)
    },
  })
  new Gauge({
    name: 'parley_backplane_connected',
    help: '1 while the other nodes can be reached.',
    registers: [registry],
    collect() {
      this.set(nodes.backplane.isConnected ? 1 : 0)
    },
  })
  new Counter({
    name: 'parley_catch_ups_total',
    help: 'How often something that did not come from another node in time was read from the database.',
    registers: [registry],
    collect() {
      this.reset()
      this.inc(missed.catchUps)
    },
  })
}
