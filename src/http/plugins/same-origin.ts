import type { FastifyRequest } from 'fastify'
import { AppError } from '../../errors.ts'

const SAFE_METHODS = ['GET', 'HEAD', 'OPTIONS']
/** What pages of the same origin send. Forms of other origins can send these types too, so the origin is checked as well. */
const BODY_TYPES = /^(application\/json|application\/x-www-form-urlencoded|multipart\/form-data)\s*(;|$)/i

/**
 * Protects the session cookie against cross-site request forgery: an unsafe method must come from the same origin.
 * @throws AppError `cross_origin`.
 */
export function requireSameOrigin(request: FastifyRequest, publicUrl: string): void {
  if (SAFE_METHODS.includes(request.method)) return
  const type = request.headers['content-type']
  if (!isSameOrigin(request, publicUrl) || (type && !BODY_TYPES.test(type)))
    throw new AppError('cross_origin')
}

/** Whether `Sec-Fetch-Site` or `Origin` names this site. A request with neither header does not come from a browser. */
export function isSameOrigin({ headers }: FastifyRequest, publicUrl: string): boolean {
  const { 'sec-fetch-site': site, origin, host } = headers
  if (site !== undefined) return site === 'same-origin'
  if (origin === undefined) return true
  const home = new URL(publicUrl)
  return origin === home.origin || origin === `${home.protocol}//${host}`
}
