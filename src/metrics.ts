import { Gauge, type Registry } from 'prom-client'
import type { Endpoint } from './realtime/endpoint.ts'

/** Adds what the channel server knows of itself to the metrics. */
export function measureRealtime(registry: Registry, endpoint: Endpoint): void {
  new Gauge({
    name: 'parley_sockets',
    help: 'Open sockets.',
    registers: [registry],
    collect() {
      this.set(endpoint.socketCount)
    },
  })
}
