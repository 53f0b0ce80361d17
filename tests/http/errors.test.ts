import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import type { FastifyInstance } from 'fastify'
import { Type } from 'typebox'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { AppError, type ErrorCode, invalidField } from '../../src/errors.ts'
import { createHttpServer } from '../../src/http/server.ts'
import { Text } from '../../src/schemas/fields.ts'
import { ManualClock } from '../support/clock.ts'
import { recordingLogger } from '../support/log.ts'

let app: FastifyInstance
let failure: unknown
let log: ReturnType<typeof recordingLogger>

beforeEach(async () => {
  log = recordingLogger()
  app = await createHttpServer(
    {
      corsOrigins: '*',
      publicUrl: 'http://localhost:4000',
      secretKeyBase: 'x'.repeat(32),
      trustProxy: [],
      rateLimits: true,
      limits: { maxAttachmentBytes: 1_000 },
    },
    log.logger,
    new ManualClock(),
  )
})

afterEach(() => app.close())

describe('an expected failure', () => {
  it.each<[ErrorCode, number]>([
    ['invalid_page_token', 400],
    ['token_missing', 401],
    ['no_conversation', 403],
    ['not_found', 404],
    ['conflict', 409],
    ['rate_limited', 429],
    ['busy', 503],
  ])('%s is returned with status %i', async (code, status) => {
    const response = await failWith(new AppError(code, { message: 'One sentence.' }))
    expect(response.statusCode).toBe(status)
    expect(response.json()).toEqual({ error: { code, message: 'One sentence.' } })
  })

  it('lists the invalid fields of a 422', async () => {
    const response = await failWith(invalidField('email', 'has already been taken'))
    expect(response.statusCode).toBe(422)
    expect(response.json()).toMatchObject({
      error: { code: 'validation_failed' },
      errors: { email: ['has already been taken'] },
    })
  })

  it.each([
    [
      invalidField('email', 'has already been taken'),
      'Some fields are not valid: email has already been taken.',
    ],
    [invalidField('newPassword', 'is too short'), 'Some fields are not valid: new password is too short.'],
    [
      new AppError('media_refused', { message: 'This cannot be sent.', fields: { file: ['is empty'] } }),
      'This cannot be sent: file is empty.',
    ],
    [new AppError('incorrect_num_users', { message: 'One sentence.' }), 'One sentence.'],
  ])('ends the message of a 422 with the error of the first field: %s', async (error, message) => {
    expect((await failWith(error)).json()).toHaveProperty('error.message', message)
  })

  it('ends the message of a schema violation with the error of the first field', async () => {
    const response = await echo('{"name":5}', { 'content-type': 'application/json' })
    expect(response.json()).toHaveProperty('error.message', 'Some fields are not valid: name must be text.')
  })

  it('has no fields when a rule of the whole request is broken', async () => {
    expect((await failWith(new AppError('incorrect_num_users'))).json()).toHaveProperty('errors', {})
  })

  it.each([
    [1, '1'],
    [1_000, '1'],
    [1_001, '2'],
    [undefined, '1'],
  ])('with a retry delay of %s ms has the header Retry-After: %s', async (retryAfterMs, seconds) => {
    const details = retryAfterMs === undefined ? {} : { retryAfterMs }
    expect((await failWith(new AppError('busy', details))).headers['retry-after']).toBe(seconds)
    expect((await failWith(new AppError('rate_limited', details))).headers['retry-after']).toBe(seconds)
  })

  it('is not logged', async () => {
    await failWith(new AppError('token_invalid', { cause: new Error('the signature is wrong') }))
    expect(log.lines.filter(({ msg }) => msg !== 'request')).toEqual([])
  })
})

describe('an unexpected error', () => {
  it('reveals no details to the client', async () => {
    const response = await failWith(new TypeError('x is not a function'))
    expect(response.statusCode).toBe(500)
    expect(response.json()).toEqual({ error: { code: 'internal_error', message: 'Something went wrong.' } })
  })

  it('is logged once with its cause, and without query values', async () => {
    const driver = Object.assign(new Error('duplicate key value violates unique constraint "x"'), {
      code: '23505',
      detail: 'Key (email)=(ann@example.com) already exists.',
    })
    const query = Object.assign(
      new Error('Failed query: insert … params: ann@example.com', { cause: driver }),
      {
        params: ['ann@example.com'],
      },
    )
    await failWith(query, '/fail?token=secret')
    const errors = log.lines.filter(({ level }) => level === 50)
    expect(errors).toMatchObject([
      { method: 'GET', path: '/fail', cause: { message: driver.message, code: '23505' } },
    ])
    expect(log.text()).not.toMatch(/ann@example|secret/)
  })

  it.each([['a string'], [undefined], [null], [{ statusCode: 400 }]])(
    'may be a thrown %s',
    async (thrown) => {
      expect((await failWith(thrown)).statusCode).toBe(500)
    },
  )
})

describe('an unavailable database', () => {
  it.each([
    'CONNECTION_CLOSED',
    'CONNECTION_ENDED',
    'CONNECT_TIMEOUT',
    'ECONNREFUSED',
    '57P01',
    '57P03',
    '57014',
    '53300',
    '55P03',
    '40P01',
  ])('is reported as busy: %s', async (code) => {
    const cause = Object.assign(new Error('write CONNECTION 127.0.0.1'), { code })
    const response = await failWith(new Error('Failed query', { cause }))
    expect(response.statusCode).toBe(503)
    expect(response.headers).toHaveProperty('retry-after')
    expect(response.json()).toHaveProperty('error.code', 'busy')
    expect(log.lines).toContainEqual(expect.objectContaining({ level: 40 }))
  })

  it('is distinguished from an invalid statement', async () => {
    const cause = Object.assign(new Error('syntax error'), { code: '42601' })
    expect((await failWith(new Error('Failed query', { cause }))).statusCode).toBe(500)
  })
})

describe('an invalid request', () => {
  const json = 'application/json'

  it.each([
    ['malformed JSON', json, '{"a":', 400, 'malformed_json'],
    ['bytes that are not UTF-8', json, Buffer.from([0x22, 0xff, 0x22]), 400, 'malformed_json'],
    ['blanks', json, '  ', 400, 'malformed_json'],
    ['deeply nested lists', json, '['.repeat(500_000) + ']'.repeat(500_000), 422, 'validation_failed'],
    ['a list', json, '[]', 422, 'validation_failed'],
    ['null', json, 'null', 422, 'validation_failed'],
    ['text', json, '"name"', 422, 'validation_failed'],
    ['a form', 'application/x-www-form-urlencoded', 'name=Ann', 415, 'unsupported_media_type'],
    ['plain text', 'text/plain', '{}', 415, 'unsupported_media_type'],
    ['an unknown type', 'x', '{}', 415, 'unsupported_media_type'],
    ['a broken type', ';;', '{}', 415, 'unsupported_media_type'],
    ['more than a megabyte', json, `{"name":"${'x'.repeat(1_048_576)}"}`, 413, 'payload_too_large'],
  ])('is rejected: %s', async (_what, type, payload, status, code) => {
    const response = await echo(payload, { 'content-type': type })
    expect(response.statusCode).toBe(status)
    expect(response.json()).toHaveProperty('error.code', code)
  })

  it.each([
    ['no body', undefined, {}],
    ['an empty body', '', {}],
    ['an empty body of JSON', '', { 'content-type': json }],
    ['an empty form', '', { 'content-type': 'application/x-www-form-urlencoded' }],
    ['an empty object', '{}', { 'content-type': json }],
    ['JSON with a charset', '{}', { 'content-type': 'application/json; charset=utf-8' }],
    ['an unknown field', '{"other":1}', { 'content-type': json }],
    ['a field called __proto__', '{"__proto__":{"name":5}}', { 'content-type': json }],
    ['a field called constructor', '{"constructor":{"prototype":{"name":5}}}', { 'content-type': json }],
  ])('may be valid with %s', async (_what, payload, headers) => {
    const response = await echo(payload, headers)
    expect(response.statusCode).toBe(200)
    expect(response.json().name).toBeUndefined()
  })

  it('is resolved to the last of duplicate fields', async () => {
    const response = await echo('{"name":"Ann","name":"Bob"}', { 'content-type': json })
    expect(response.json()).toEqual({ name: 'Bob' })
  })

  it('is not coerced to another type', async () => {
    const response = await echo('{"name":5}', { 'content-type': json })
    expect(response.json()).toHaveProperty('errors', { name: ['must be text'] })
  })

  it('is rejected when its URL is malformed', async () => {
    const response = await app.inject('/%E0%A4%A')
    expect(response.statusCode).toBe(400)
    expect(response.json()).toHaveProperty('error.code', 'bad_request')
  })

  it.each(['GET', 'POST', 'DELETE', 'PATCH', 'PUT', 'OPTIONS'] as const)(
    'is rejected with 404 for an unknown path: %s',
    async (method) => {
      const hasBody = method !== 'GET' && method !== 'OPTIONS'
      const response = await app.inject({
        method,
        url: '/nothing',
        ...(hasBody && { payload: 'x' }),
      })
      expect(response.statusCode).toBe(404)
      expect(response.json()).toHaveProperty('error.code', 'not_found')
    },
  )

  it('is rejected when it is not HTTP', async () => {
    await app.listen({ port: 0, host: '127.0.0.1' })
    const socket = connect((app.server.address() as { port: number }).port, '127.0.0.1')
    socket.write('hello\r\n\r\n')
    const response = await text(socket)
    expect(response).toMatch(/^HTTP\/1.1 400 Bad Request/)
    expect(response).toContain('"code":"bad_request"')
  })
})

describe('a browser that loads a page', () => {
  const accept = 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8'

  it.each([
    [new AppError('forbidden'), 403, 'No access', 'This is not allowed.'],
    [new AppError('rate_limited'), 429, 'Too many requests', 'Wait a moment, then load the page again.'],
    [new AppError('busy'), 503, 'Server error', 'The server is busy. Try again in a moment.'],
    [new TypeError('secret'), 500, 'Server error', 'The page could not be loaded. Try again later.'],
  ])('gets a page for %s', async (error, status, title, message) => {
    const { statusCode, headers, body } = await failWith(error, '/fail', { accept })
    expect(statusCode).toBe(status)
    expect(headers['content-type']).toBe('text/html; charset=utf-8')
    expect(body).toContain(`<h1>${title}</h1>`)
    expect(body).toContain(`<p>${message}</p>`)
    expect(body).not.toContain('secret')
    expect('retry-after' in headers).toBe(status === 429 || status === 503)
  })

  it('gets a page for an unknown path', async () => {
    const { statusCode, headers, body } = await app.inject({ url: '/nothing', headers: { accept } })
    expect([statusCode, headers['cache-control']]).toEqual([404, 'no-store'])
    expect(body).toContain('<h1>Page not found</h1>')
    expect(body).toContain('href="/whisper"')
  })

  it.each(['application/json', 'application/json, text/html;q=0.5', '*/*'])(
    'is not assumed for Accept: %s',
    async (accept) => {
      const response = await app.inject({ url: '/nothing', headers: { accept } })
      expect(response.json()).toHaveProperty('error.code', 'not_found')
    },
  )
})

it('rejects requests on open connections while it closes', async () => {
  let open = () => {}
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  app.get('/', async () => 'hello')
  app.addHook('onClose', () => opened)
  await app.ready()
  const closed = app.close()
  const response = await app.inject('/').catch((error: unknown) => error)
  open()
  await closed
  expect(response).toMatchObject({ statusCode: 503 })
})

async function failWith(error: unknown, url = '/fail', headers: Record<string, string> = {}) {
  if (!app.hasRoute({ method: 'GET', url: '/fail' })) {
    app.get('/fail', async () => {
      throw failure
    })
  }
  failure = error
  return app.inject({ url, headers })
}

async function echo(payload: string | Buffer | undefined, headers: Record<string, string>) {
  if (!app.hasRoute({ method: 'POST', url: '/echo' })) {
    const body = Type.Object({ name: Type.Optional(Text()) })
    app.post('/echo', { schema: { body } }, async (request) => request.body)
  }
  return app.inject({ method: 'POST', url: '/echo', headers, ...(payload !== undefined && { payload }) })
}
