import type { Server } from 'node:http'
import type { Registry } from 'prom-client'
import type { Config } from '../config.ts'
import type { Endpoint } from '../realtime/endpoint.ts'
import type { Services } from '../services.ts'
import type { Dialect } from '../views/dialect.ts'
import type { RateLimits } from './plugins/rate-limit.ts'
import type { SharedCounter } from './plugins/rate-limit-store.ts'

/** A letter in the development mailbox. */
export interface DeliveredLetter {
  to: string
  subject: string
  text: string
  html: string
  sent_at: string
}

/** What the HTTP layer is made of. */
export interface HttpOptions {
  config: Pick<
    Config,
    'allowedOrigins' | 'contract' | 'google' | 'limits' | 'publicUrl' | 'rateLimits' | 'secretKeyBase'
  >
  /** Where the sockets are. */
  endpoint: Endpoint
  /** Listens nowhere: it emits `upgrade` for those that are none of the endpoint's. */
  upgrades: Server
  services: Services
  dialect: Dialect
  database: { ping(): Promise<void> }
  /** Counts what concerns signing in over all nodes; absent on a single one. */
  sharedCounter?: SharedCounter | undefined
  readiness: {
    /** Whether the process is past its start and not yet draining. */
    ready(): boolean
    /** Whether the other nodes can be reached; a node that is alone reaches all there are. */
    reachesNodes(): boolean
  }
  registry: Registry
  /** The development mailbox, newest letter first; absent when letters really leave. */
  mailbox?: { readonly letters: readonly DeliveredLetter[] } | undefined
}

/** What a route of the API works with. */
export interface RouteOptions extends Services {
  dialect: Dialect
  limits: RateLimits
  contract: Config['contract']
}

/** What a route of Whisper works with besides. */
export interface WhisperOptions extends RouteOptions {
  config: HttpOptions['config']
  endpoint: HttpOptions['endpoint']
  upgrades: HttpOptions['upgrades']
  /** Whether letters end in the development mailbox. */
  hasMailbox: boolean
}
