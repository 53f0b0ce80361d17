import type { FastifyInstance } from 'fastify'
import type { SecurityLog } from '../../domain/security/security-log.ts'
import { deviceOf } from '../device.ts'
import { callerIfKnown } from './caller.ts'

/** Records 403 responses in the security log, by route. Refused sockets are recorded by the sockets, with their reason. */
export function recordForbidden(app: FastifyInstance, securityLog: Pick<SecurityLog, 'record'>): void {
  app.addHook('onResponse', async (request, reply) => {
    const { url } = request.routeOptions
    if (reply.statusCode !== 403 || url === undefined || /^\/(ws|socket)\//.test(url)) return
    const { userId, sessionId } = callerIfKnown(request) ?? {}
    const reason = `${request.method} ${url}`
    securityLog.record('permission_refused', { userId, sessionId, ...deviceOf(request), reason })
  })
}
