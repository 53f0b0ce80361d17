import { describe, expect, it } from 'vitest'
import { startApi } from '../support/api.ts'
import { setUpDatabase } from '../support/set-up-database.ts'
import { ENDPOINTS } from './endpoints.ts'

const db = setUpDatabase()

interface Schema {
  $ref?: string
  type?: string
  items?: Schema
  properties?: Record<string, Schema>
}

interface Operation {
  operationId: string
  tags: string[]
  summary: string
  security?: unknown
  responses: Record<string, { description: string; content?: Record<string, { schema: Schema }> }>
}

interface OpenApi {
  openapi: string
  info: object
  servers: object[]
  tags: { name: string; description: string }[]
  paths: Record<string, Record<string, Operation>>
  components: { securitySchemes: object; schemas: Record<string, Schema> }
}

async function documentOf(options: Parameters<typeof startApi>[1] = {}): Promise<OpenApi> {
  const api = await startApi(db, options)
  return (await api.send('GET /docs/json')).json<OpenApi>()
}

function operationsOf({ paths }: OpenApi): Operation[] {
  return Object.values(paths).flatMap((operations) => Object.values(operations))
}

describe('/docs/json', () => {
  it('lists the endpoints of tests/http/endpoints.ts, and whether they require a token', async () => {
    const { openapi, paths } = await documentOf()
    expect(openapi).toMatch(/^3\.1/)
    const documented = new Map(
      Object.entries(paths).flatMap(([path, operations]) =>
        Object.entries(operations).map(([method, operation]) => {
          const line = `${method.toUpperCase()} ${path.replace(/\{(\w+)\}/g, ':$1')}`
          return [line, operation.security !== undefined]
        }),
      ),
    )
    const listed = new Map(ENDPOINTS.map(({ line, isPrivate }) => [line, isPrivate]))
    for (const path of ['/livez', '/readyz', '/metrics']) listed.set(`GET ${path}`, false)
    const unlisted = [...documented.keys()].filter((line) => !listed.has(line))
    const unserved = [...listed.keys()].filter((line) => !documented.has(line))
    expect(unlisted, 'Add these routes to ENDPOINTS in tests/http/endpoints.ts').toEqual([])
    expect(unserved, 'No documented route: remove these from ENDPOINTS in tests/http/endpoints.ts').toEqual(
      [],
    )
    for (const [line, isPrivate] of listed)
      expect(documented.get(line), `whether ${line} requires a token`).toBe(isPrivate)
  })

  it('has a summary and the errors of every endpoint', async () => {
    const { paths, components } = await documentOf()
    expect(components.securitySchemes).toHaveProperty('accessToken.scheme', 'bearer')
    for (const { line, isPrivate, checksCredentials } of ENDPOINTS) {
      const [method, path] = line.split(' ') as [string, string]
      const { summary, responses } = paths[path.replace(/:(\w+)/g, '{$1}')]![method.toLowerCase()]!
      expect(summary, line).toMatch(/^[A-Z]/)
      for (const { description } of Object.values(responses))
        expect(description, line).not.toMatch(/^Default/)
      expect(Object.keys(responses), line).toEqual(expect.arrayContaining(['429', '5XX']))
      expect('401' in responses, line).toBe(isPrivate || checksCredentials === true)
      const { schema } = responses['429']!.content!['application/json']!
      expect(schema.$ref, line).toBe('#/components/schemas/Problem')
    }
  })

  it('has the URL, the version and the license', async () => {
    const { info, servers } = await documentOf({ publicUrl: 'https://chat.example.com/base' })
    expect(servers).toEqual([{ url: 'https://chat.example.com/base' }])
    const version = expect.stringMatching(/^\d+\.\d+\.\d+/)
    expect(info).toMatchObject({ title: 'Parley', version, license: { identifier: 'MIT' } })
  })

  it('gives every operation a unique camelCase id and one described tag', async () => {
    const document = await documentOf()
    const operations = operationsOf(document)
    const described = document.tags.map(({ name }) => name)
    for (const { operationId, tags, summary } of operations) {
      expect(operationId, summary).toMatch(/^[a-z]+([A-Z][a-z0-9]*)*$/)
      expect(described, operationId).toEqual(expect.arrayContaining(tags))
      expect(tags, operationId).toHaveLength(1)
    }
    expect(new Set(operations.map(({ operationId }) => operationId)).size).toBe(operations.length)
    expect(new Set(operations.flatMap(({ tags }) => tags))).toEqual(new Set(described))
    for (const { description } of document.tags) expect(description).toMatch(/\.$/)
  })

  it.each(['documented', 'legacy'] as const)(
    'uses named component schemas for all response objects (%s)',
    async (contract) => {
      const document = await documentOf({ contract })
      const { schemas } = document.components
      const expected = ['Conversation', 'Message', 'Problem', 'Room', 'RoomMessage', 'Session', 'User']
      expect(Object.keys(schemas)).toEqual(expect.arrayContaining(expected))
      const bodies = operationsOf(document).flatMap(({ operationId, responses }) =>
        Object.entries(responses).flatMap(([status, { content = {} }]) =>
          Object.values(content).map(({ schema }) => ({ schema, where: `${operationId} ${status}` })),
        ),
      )
      expect(bodies.length).toBeGreaterThan(200)
      for (const { schema, where } of bodies) {
        const named = schema.type === 'array' ? schema.items! : schema
        expect(named, where).not.toHaveProperty('properties')
        if (named.type !== 'string') expect(named.$ref, where).toBeDefined()
      }
      const names = [...JSON.stringify(document).matchAll(/"\$ref":"([^"]+)"/g)].map(([, name]) => name!)
      for (const name of new Set(names)) {
        expect(schemas).toHaveProperty([name.replace('#/components/schemas/', '')])
      }
      expect(Object.keys(schemas).filter((name) => !names.some((one) => one.endsWith(`/${name}`)))).toEqual(
        [],
      )
    },
  )

  it.each([
    ['documented', ['items', 'page_token']],
    ['legacy', ['users']],
  ] as const)('has the response schemas of the %s contract', async (contract, fields) => {
    const { components } = await documentOf({ contract })
    expect(Object.keys(components.schemas.UserPage!.properties!)).toEqual(fields)
  })
})

describe('/docs', () => {
  it('has a Content-Security-Policy that allows only its own files', async () => {
    const api = await startApi(db)
    const page = await api.send('GET /docs')
    expect(page.statusCode).toBe(200)
    const policy = page.headers['content-security-policy']
    expect(policy).toContain("script-src 'self';")
    expect(page.body).not.toMatch(/<script(?![^>]* src=)|\son\w+=/)
    expect(page.body).toContain('<title>Parley API</title>')
    expect(page.body).toContain('icon.svg')
    for (const [, path] of page.body.matchAll(/(?:src|href)="([^"]+)"/g)) {
      const file = await api.send(`GET ${path}`)
      expect(file.statusCode, path).toBe(200)
    }
  })

  it('is not rate-limited', async () => {
    const api = await startApi(db)
    for (let i = 0; i < 1_201; i++) await api.send('GET /docs/static/swagger-initializer.js')
    expect((await api.send('GET /docs')).statusCode).toBe(200)
  })
})
