import type { FastifyPluginAsync } from 'fastify'
import { asyncApiDocument, type DocumentOptions } from '../asyncapi/document.ts'
import { SchemaCollector } from '../asyncapi/schemas.ts'
import { describeTopics } from '../asyncapi/topics/index.ts'
import { eventsPage } from '../pages/events.ts'
import { type Page, sendPage } from '../pages/layout.ts'

/** Documents the events of the sockets: `/docs/asyncapi.json` is the AsyncAPI document, `/docs/events` the page. */
export const eventDocRoutes: FastifyPluginAsync<DocumentOptions> = async (app, options) => {
  const schema = { hide: true }
  let json: string | undefined
  let page: Page | undefined

  app.get('/docs/asyncapi.json', { schema }, async (_request, reply) => {
    json ??= JSON.stringify(asyncApiDocument(options))
    reply.type('application/json; charset=utf-8')
    return json
  })

  app.get('/docs/events', { schema }, async (_request, reply) => {
    page ??= eventsPage(describeTopics(options.dialect), new SchemaCollector(options.contract))
    return sendPage(reply, page, options.publicUrl)
  })
}
