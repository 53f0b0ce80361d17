import type { Server } from 'node:http'
import type { Registry } from 'prom-client'
import type { Config } from '../config/config.ts'
import type { SharedCounter } from '../domain/security/hit-counter.ts'
import type { Endpoint } from '../realtime/socket/endpoint.ts'
import type { Services } from '../services.ts'
import type { Dialect } from '../views/dialect.ts'
import type { ClientAddress } from './client-address.ts'
import type { DeviceCookie } from './plugins/device-cookie.ts'
import type { RateLimits } from './rate-limits/rate-limits.ts'

/** An email in the development mailbox. */
export interface DeliveredEmail {
  to: string
  subject: string
  text: string
  html: string
  sent_at: string
}

/** The dependencies of the HTTP layer. */
export interface HttpOptions {
  config: Pick<
    Config,
    | 'allowedOrigins'
    | 'contract'
    | 'docs'
    | 'google'
    | 'limits'
    | 'metrics'
    | 'publicUrl'
    | 'rateLimits'
    | 'secretKeyBase'
  >
  /** Holds the sockets. */
  endpoint: Endpoint
  /** The client address by which connections are limited. */
  addressOf: ClientAddress
  /** A server that does not listen. It emits `upgrade` for the paths that the endpoint does not serve. */
  upgrades: Server
  services: Services
  dialect: Dialect
  database: { ping(): Promise<void> }
  /** Counts rate limits over all nodes; undefined on a single node. */
  sharedCounter?: SharedCounter | undefined
  readiness: {
    /** Whether the process has started and is not draining. */
    ready(): boolean
    /** Whether the other nodes are reachable; always true on a single node. */
    reachesNodes(): boolean
  }
  registry: Registry
  /** The development mailbox, newest email first; undefined when emails are sent. */
  mailbox?: { readonly emails: readonly DeliveredEmail[] } | undefined
}

/** The dependencies of API routes. */
export interface RouteOptions extends Services {
  dialect: Dialect
  limits: RateLimits
  deviceCookie: DeviceCookie
}

/** The dependencies of Whisper routes. */
export interface WhisperOptions extends RouteOptions {
  config: HttpOptions['config']
  endpoint: HttpOptions['endpoint']
  addressOf: HttpOptions['addressOf']
  upgrades: HttpOptions['upgrades']
  /** Whether emails are kept in the development mailbox. */
  hasMailbox: boolean
}
