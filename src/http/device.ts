import { isIP } from 'node:net'
import type { FastifyRequest } from 'fastify'
import { networkAddress } from './client-address.ts'

/** The network of a request, by which unauthenticated requests are counted: an IPv4 address, or the /64 prefix of an IPv6 address. */
export function networkOf({ ip }: FastifyRequest): string {
  return networkAddress(ip)
}

/** The device of a request, as the list of sessions and the security log show it. */
export function deviceOf({ headers, ip }: FastifyRequest): {
  userAgent: string | null
  ip: string | null
} {
  // A trusted proxy can still forward an invalid address.
  return { userAgent: headers['user-agent'] ?? null, ip: isIP(ip) ? ip : null }
}
