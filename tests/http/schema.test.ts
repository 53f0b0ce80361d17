import { describe, expect, it } from 'vitest'
import { startApi } from '../support/api.ts'
import { setUpDatabase } from '../support/set-up-database.ts'

const db = setUpDatabase()

describe('/api/schema/', () => {
  it('serves the same document as /docs without authentication', async () => {
    const api = await startApi(db)
    const { headers, body } = await api.send('GET /api/schema/')
    expect(headers['content-type']).toBe('application/json; charset=utf-8')
    expect(JSON.parse(body)).toEqual((await api.send('GET /docs/json')).json())
  })

  it.each([
    ['/api/schema/?format=yaml', '*/*'],
    ['/api/schema', 'application/yaml'],
  ])('serves YAML at %s with Accept: %s', async (path, accept) => {
    const api = await startApi(db)
    const { headers, body } = await api.send(`GET ${path}`, { headers: { accept } })
    expect(headers).toMatchObject({ 'content-type': 'application/yaml; charset=utf-8', vary: 'accept' })
    expect(body).toMatch(/^openapi: 3\.1\.0\n/)
  })
})

describe.each(['/api/schema/swagger-ui/', '/api/schema/redoc/'])('%s', (path) => {
  it('has a Content-Security-Policy that allows only its own files', async () => {
    const api = await startApi(db)
    const page = await api.send(`GET ${path}`)
    expect(page.statusCode).toBe(200)
    expect(page.headers['content-security-policy']).toMatch(/script-src 'self';/)
    expect(page.body).not.toMatch(/<script(?![^>]* src=)|\son\w+=|https?:/)
    for (const [, file] of page.body.matchAll(/(?:src|href)="([^"]+)"/g)) {
      const url = new URL(file!, `http://localhost${path}`)
      const { statusCode, body } = await api.send(`GET ${url.pathname}`)
      expect(statusCode, file).toBe(200)
      expect(body).not.toContain('cdn.redoc.ly/redoc/logo')
    }
  })
})

it('does not exist with DOCS=off, and neither does /docs', async () => {
  const api = await startApi(db, { docs: false })
  const paths = ['/docs', '/docs/', '/docs/json', '/docs/yaml', '/docs/static/swagger-initializer.js']
  const schemaPaths = ['/api/schema', '/api/schema/', '/api/schema/redoc', '/api/schema/swagger-ui/']
  for (const path of [...paths, ...schemaPaths, '/api/schema/redoc/redoc.js']) {
    expect((await api.send(`GET ${path}`)).statusCode, path).toBe(404)
  }
})
