import { Parser } from '@asyncapi/parser'
import { describe, expect, it } from 'vitest'
import { startApi } from '../../support/api.ts'
import { type AsyncApi, DocumentChecker, documentOf } from '../../support/asyncapi.ts'
import { setUpDatabase } from '../../support/set-up-database.ts'

const db = setUpDatabase()

/** The severity of a warning in the parser's diagnostics; errors are 0. */
const WARNING = 1

describe('/docs/asyncapi.json', () => {
  it.each(['documented', 'legacy'] as const)('is valid AsyncAPI 3 (%s)', async (contract) => {
    const api = await startApi(db, { contract })
    const { body, headers } = await api.send('GET /docs/asyncapi.json')
    expect(headers['content-type']).toMatch(/^application\/json/)
    const { document, diagnostics } = await new Parser().parse(body)
    expect(diagnostics.filter(({ severity }) => severity <= WARNING)).toEqual([])
    expect(document?.version()).toBe('3.0.0')
    expect(document?.info().title()).toBe('Parley')
  })

  it('has the URL of the site, and its base path', async () => {
    const api = await startApi(db, { publicUrl: 'https://chat.example.com/base' })
    const { servers } = (await api.send('GET /docs/asyncapi.json')).json<{ servers: object }>()
    expect(servers).toMatchObject({
      socket: { host: 'chat.example.com', protocol: 'wss', pathname: '/base/socket/websocket' },
      roomSocket: { host: 'chat.example.com', protocol: 'wss', pathname: '/base' },
    })
  })

  it('is not served without documentation pages', async () => {
    const api = await startApi(db, { docs: false })
    expect((await api.send('GET /docs/asyncapi.json')).statusCode).toBe(404)
  })
})

describe.each(['documented', 'legacy'] as const)('the AsyncAPI document of the %s dialect', (contract) => {
  const document = documentOf(contract)

  it('has examples of every message, which match its schemas', () => {
    const checker = new DocumentChecker(document)
    for (const [where, message] of messagesOf(document)) {
      expect(message.examples.length, where).toBeGreaterThan(0)
      for (const { headers, payload } of message.examples) {
        expect(checker.errors(message.payload, payload), where).toEqual([])
        if (message.headers) expect(checker.errors(message.headers, headers), where).toEqual([])
      }
    }
  })

  it('has schemas that tell a field that they do not list', () => {
    const { payload, examples } = document.channels.user!.messages['event.new_message']!
    const example = examples[0]!.payload as { message: object }
    const checker = new DocumentChecker(document)
    expect(checker.errors(payload, { ...example, extra: 1 })).not.toEqual([])
    expect(checker.errors(payload, { ...example, message: { ...example.message, extra: 1 } })).not.toEqual([])
  })

  it('has an operation for every message that is not a reply', () => {
    const names = messagesOf(document).filter(([, { name }]) => name !== 'phx_reply')
    const expected = names.map(([where]) => where)
    expect(Object.keys(document.operations).sort()).toEqual(expected.sort())
  })

  it('has the formats of its dialect in the examples', () => {
    const { examples } = document.channels.user!.messages['event.new_message']!
    const time = contract === 'legacy' ? '2026-01-01 23:40:02.007000Z' : '2026-01-01T23:40:02.007Z'
    expect(examples[0]!.payload).toHaveProperty('message.inserted_at', time)
  })
})

function messagesOf({ channels }: AsyncApi) {
  return Object.entries(channels).flatMap(([key, { messages }]) =>
    Object.entries(messages).map(([name, message]) => [`${key}.${name}`, message] as const),
  )
}
