import { isIP } from 'node:net'
import type { FastifyRequest } from 'fastify'

/** What a request tells of the device it comes from, to be shown in the list of sessions. */
export function deviceOf({ headers, ip }: FastifyRequest): {
  userAgent: string | null
  ip: string | null
} {
  // A trusted proxy may still have passed on nonsense.
  return { userAgent: headers['user-agent'] ?? null, ip: isIP(ip) ? ip : null }
}
