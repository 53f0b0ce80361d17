import { isUtf8 } from 'node:buffer'
import type { FastifyInstance } from 'fastify'
import { AppError, invalidField } from '../../errors.ts'

/** Takes bodies of JSON objects and nothing else; no body is an empty object. */
export function acceptJsonBodies(app: FastifyInstance): void {
  const parseJson = app.getDefaultJsonParser('remove', 'remove')
  app.removeAllContentTypeParsers()

  app.addContentTypeParser<Buffer>('application/json', { parseAs: 'buffer' }, (request, bytes, done) => {
    if (bytes.length === 0 || request.is404) return done(null, {})
    if (!isUtf8(bytes)) return done(new AppError('malformed_json'))
    parseJson(request, bytes.toString(), (error, body: unknown) => {
      if (error) done(new AppError('malformed_json'))
      else if (isObject(body)) done(null, body)
      else done(invalidField('body', 'must be an object'))
    })
  })

  app.addContentTypeParser<Buffer>('*', { parseAs: 'buffer' }, (request, bytes, done) => {
    if (bytes.length === 0 || request.is404) done(null, {})
    else done(new AppError('unsupported_media_type'))
  })

  app.addHook('preValidation', (request, _reply, done) => {
    request.body ??= {}
    done()
  })
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
