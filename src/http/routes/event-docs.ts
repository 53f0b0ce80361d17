import type { FastifyPluginAsync } from 'fastify'
import { asyncApiDocument, type DocumentOptions } from '../asyncapi/document.ts'

/** Documents the events of the sockets: `/docs/asyncapi.json` is the AsyncAPI document. */
export const eventDocRoutes: FastifyPluginAsync<DocumentOptions> = async (app, options) => {
  let json: string | undefined

  app.get('/docs/asyncapi.json', { schema: { hide: true } }, async (_request, reply) => {
    json ??= JSON.stringify(asyncApiDocument(options))
    reply.type('application/json; charset=utf-8')
    return json
  })
}
