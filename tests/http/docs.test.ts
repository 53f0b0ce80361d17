import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Database } from '../../src/db/database.ts'
import { startApi } from '../support/api.ts'
import { openTestDatabase } from '../support/database.ts'
import { ENDPOINTS } from './endpoints.ts'

let db: Database
beforeAll(async () => {
  db = await openTestDatabase()
})
afterAll(() => db.close())

interface Operation {
  summary: string
  security?: unknown
  responses: Record<string, { description: string; content?: Record<string, { schema: object }> }>
}

interface OpenApi {
  openapi: string
  paths: Record<string, Record<string, Operation>>
  components: { securitySchemes: object }
}

describe('/docs/json', () => {
  it('lists every endpoint, and whether it needs a token', async () => {
    const api = await startApi(db)
    const { openapi, paths } = (await api.send('GET /docs/json')).json<OpenApi>()
    expect(openapi).toMatch(/^3\.1/)
    const documented = Object.entries(paths).flatMap(([path, operations]) =>
      Object.entries(operations).map(([method, operation]) => {
        const line = `${method.toUpperCase()} ${path.replace(/\{(\w+)\}/g, ':$1')}`
        return [line, operation.security !== undefined]
      }),
    )
    const operation = ['/livez', '/readyz', '/metrics'].map((path) => [`GET ${path}`, false])
    const expected = [...operation, ...ENDPOINTS.map(({ line, isPrivate }) => [line, isPrivate])]
    expect(documented.sort()).toEqual(expected.sort())
  })

  it('says of every endpoint what it is for and how it fails', async () => {
    const api = await startApi(db)
    const { paths, components } = (await api.send('GET /docs/json')).json<OpenApi>()
    expect(components.securitySchemes).toHaveProperty('accessToken.scheme', 'bearer')
    for (const { line, isPrivate, isDoor } of ENDPOINTS) {
      const [method, path] = line.split(' ') as [string, string]
      const { summary, responses } = paths[path.replace(/:(\w+)/g, '{$1}')]![method.toLowerCase()]!
      expect(summary, line).toMatch(/^[A-Z]/)
      for (const { description } of Object.values(responses))
        expect(description, line).not.toMatch(/^Default/)
      expect(Object.keys(responses), line).toEqual(expect.arrayContaining(['429', '5XX']))
      expect('401' in responses, line).toBe(isPrivate || isDoor === true)
      expect(responses['429']!.content!['application/json']!.schema, line).toHaveProperty('properties.error')
    }
  })

  it.each([
    ['documented', ['items', 'page_token']],
    ['legacy', ['users']],
  ] as const)('shows the shapes of the %s contract', async (contract, fields) => {
    const api = await startApi(db, { contract })
    const { paths } = (await api.send('GET /docs/json')).json<OpenApi>()
    const { schema } = paths['/api/users']!.get!.responses['200']!.content!['application/json']!
    expect(Object.keys((schema as { properties: object }).properties)).toEqual(fields)
  })
})

describe('/docs', () => {
  it('is a page whose own policy lets its own files run, and nothing else', async () => {
    const api = await startApi(db)
    const page = await api.send('GET /docs')
    expect(page.statusCode).toBe(200)
    const policy = page.headers['content-security-policy']
    expect(policy).toContain("script-src 'self';")
    expect(page.body).not.toMatch(/<script(?![^>]* src=)|\son\w+=/)
    for (const [, path] of page.body.matchAll(/(?:src|href)="([^"]+)"/g)) {
      const file = await api.send(`GET ${path}`)
      expect(file.statusCode, path).toBe(200)
    }
  })

  it('is not limited', async () => {
    const api = await startApi(db)
    for (let i = 0; i < 1_201; i++) await api.send('GET /docs/static/swagger-initializer.js')
    expect((await api.send('GET /docs')).statusCode).toBe(200)
  })
})
