import { expect, it } from 'vitest'
import { startApi } from '../support/api.ts'
import { setUpDatabase } from '../support/set-up-database.ts'

const db = setUpDatabase()

it('reports that the process is live and ready', async () => {
  const api = await startApi(db)
  await api.app.listen()
  for (const path of ['/livez', '/readyz']) {
    const response = await api.send(`GET ${path}`)
    expect(response.statusCode).toBe(200)
    expect(response.json()).toEqual({ status: 'ok' })
  }
})

it('is live but not ready before it listens', async () => {
  const api = await startApi(db)
  expect((await api.send('GET /livez')).statusCode).toBe(200)
  const response = await api.send('GET /readyz')
  expect(response.statusCode).toBe(503)
  expect(response.headers).toHaveProperty('retry-after')
  expect(response.json()).toEqual({ status: 'not ready' })
})

it('is not ready when the database fails', async () => {
  const api = await startApi(db)
  await api.app.listen()
  api.database.ping = () => Promise.reject(new Error('gone'))
  const response = await api.send('GET /readyz')
  expect(response.statusCode).toBe(503)
  expect(response.json()).toEqual({ status: 'no database' })
})

it('is not ready when the database takes longer than two seconds', async () => {
  const api = await startApi(db)
  await api.app.listen()
  const asked = new Promise<void>((resolve) => {
    api.database.ping = () => {
      resolve()
      return new Promise(() => {})
    }
  })
  const response = api.send('GET /readyz')
  await asked
  api.clock.advance(2_000)
  expect((await response).statusCode).toBe(503)
})

it('measures the process, and requests by route pattern', async () => {
  const api = await startApi(db)
  const { auth_token: token } = await api.register('ann')
  await api.send('GET /api/conversations/private/some-id', { token })
  await api.send('GET /some/path')
  const response = await api.send('GET /metrics')
  expect(response.headers['content-type']).toMatch(/^text\/plain/)
  expect(response.body).toContain('process_cpu_seconds_total')
  expect(response.body).toContain(
    'http_request_duration_seconds_count{route="/api/conversations/private/:user_id",method="GET",status="200"} 1',
  )
  expect(response.body).toContain('route="unknown",method="GET",status="404"')
  expect(response.body).not.toMatch(/some-id|some\/path/)
})

it('does not rate-limit health checks and metrics', async () => {
  const api = await startApi(db)
  for (let i = 0; i < 1_210; i++) await api.send('GET /livez')
  expect((await api.send('GET /livez')).statusCode).toBe(200)
  expect((await api.send('GET /metrics')).statusCode).toBe(200)
})

it('has no metrics when they are off', async () => {
  const api = await startApi(db, { metrics: { kind: 'off' } })
  expect((await api.send('GET /metrics')).statusCode).toBe(404)
})

it('serves metrics only with the token', async () => {
  const token = 'a token of the operator'
  const api = await startApi(db, { metrics: { kind: 'token', token } })
  const { auth_token } = await api.register('ann')
  for (const wrong of [undefined, auth_token, `${token}x`, token.slice(1), 'é'.repeat(token.length)]) {
    const response = await api.send('GET /metrics', { token: wrong })
    expect(response.statusCode).toBe(401)
    expect(response.body).not.toContain('process_cpu_seconds_total')
  }
  expect((await api.send('GET /metrics', { token })).body).toContain('process_cpu_seconds_total')
})
