import { isUtf8 } from 'node:buffer'
import type { FastifyInstance } from 'fastify'
import { AppError, invalidField } from '../../errors.ts'
import { cutHeavyParts } from '../../protocol/json-weight.ts'

/** Allows 16,384 objects, arrays and object members, or a million array items. */
const MAX_WEIGHT = 1_048_576
const NESTED_WEIGHT = 64

/** Accepts JSON objects as request bodies, and nothing else. An empty body is an empty object. */
export function acceptJsonBodies(app: FastifyInstance): void {
  const parseJson = app.getDefaultJsonParser('remove', 'remove')
  app.removeAllContentTypeParsers()

  app.addContentTypeParser<Buffer>('application/json', { parseAs: 'buffer' }, (request, bytes, done) => {
    if (bytes.length === 0 || request.is404) return done(null, {})
    if (!isUtf8(bytes)) return done(new AppError('malformed_json'))
    const text = bytes.toString()
    if (isHeavy(text)) return done(invalidField('body', 'has too many values, or is nested too deeply'))
    parseJson(request, text, (error, body: unknown) => {
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

/** Whether parsing would block the event loop for too long. Arrays of strings and numbers parse fast at any length. */
function isHeavy(text: string): boolean {
  return cutHeavyParts(text, MAX_WEIGHT, NESTED_WEIGHT)?.isCut ?? true
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
