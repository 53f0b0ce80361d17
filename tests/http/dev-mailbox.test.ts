import { once } from 'node:events'
import { connect } from 'node:net'
import Fastify from 'fastify'
import { describe, expect, it, onTestFinished } from 'vitest'
import { devMailboxRoutes } from '../../src/http/routes/dev-mailbox.ts'
import { startApi, type TestApi } from '../support/api.ts'
import { startApp } from '../support/app.ts'
import { setUpDatabase } from '../support/set-up-database.ts'

const db = setUpDatabase()

const PATHS = ['/dev/mailbox', '/dev/mailbox.json']

it('is an array of emails, newest first', async () => {
  const api = await withEmails()
  const response = await api.send('GET /dev/mailbox.json')
  expect(response.headers['cache-control']).toBe('no-store')
  const emails = response.json()
  expect(emails.map(({ to }: { to: string }) => to)).toEqual(['bob@example.com', 'ann@example.com'])
  expect(Object.keys(emails[0])).toEqual(['to', 'subject', 'text', 'html', 'sent_at'])
  expect(emails[0].sent_at).toBe(new Date(api.clock.now()).toISOString())
})

it('is an HTML page with links', async () => {
  const api = await withEmails()
  const { headers, body } = await api.send('GET /dev/mailbox')
  expect(headers['content-type']).toBe('text/html; charset=utf-8')
  expect(body).toContain('<a href="http://localhost:3000/email_confirmation?token=')
})

it('escapes the contents of emails, and allows no scripts', async () => {
  const http = Fastify()
  onTestFinished(() => http.close())
  const email = {
    to: '"><script>1</script>',
    subject: '<img src=x onerror=alert(1)>',
    text: 'see http://localhost/"onclick="x and <b>',
    html: '',
    sent_at: '2026-01-15T12:00:00.000Z',
  }
  await http.register(devMailboxRoutes, { mailbox: { emails: [email] } })
  const { headers, body } = await http.inject('/dev/mailbox')
  expect(body).toContain('&lt;script&gt;')
  expect(body).not.toMatch(/<script|<img|<b>|"onclick/)
  expect(headers['content-security-policy']).toContain("default-src 'none'")
  expect(headers['content-security-policy']).not.toContain('script-src')
})

describe.each(PATHS)('%s', (path) => {
  it('does not exist when another way to send emails is configured', async () => {
    const api = await startApi(db, { mail: { kind: 'none' } })
    expect((await api.send(`GET ${path}`)).statusCode).toBe(404)
  })

  it.each(['127.0.0.1', '127.8.8.8', '::1', '::ffff:127.0.0.1'])('is served to %s', async (from) => {
    const api = await withEmails()
    expect((await api.send(`GET ${path}`, { from })).statusCode).toBe(200)
  })

  it.each(['10.0.0.1', '::2', '::ffff:10.0.0.1', '203.0.113.1'])('does not exist for %s', async (from) => {
    const api = await withEmails()
    const response = await api.send(`GET ${path}`, { from })
    expect(response.statusCode).toBe(404)
    expect(response.json()).toHaveProperty('error.code', 'not_found')
  })

  it.each([
    ['x-forwarded-for', '127.0.0.1'],
    ['x-forwarded-host', 'localhost'],
    ['x-forwarded-proto', 'https'],
    ['x-real-ip', '127.0.0.1'],
    ['forwarded', 'for=127.0.0.1'],
    ['via', '1.1 proxy'],
  ])('does not exist for a proxy that sends %s', async (name, value) => {
    const api = await withEmails({ trustProxy: ['127.0.0.0/8'] })
    expect((await api.send(`GET ${path}`, { headers: { [name]: value } })).statusCode).toBe(404)
  })

  it.each([
    ['localhost:4000', 200],
    ['127.0.0.1:4000', 200],
    ['[::1]:4000', 200],
    ['parley.localhost', 200],
    ['rebound.example.com', 404],
    ['localhost.example.com', 404],
  ])('responds to the host %s with %i', async (host, status) => {
    const api = await withEmails()
    expect((await api.send(`GET ${path}`, { headers: { host } })).statusCode).toBe(status)
  })
})

describe('a development server behind a proxy without forwarding headers', () => {
  it('has no mailbox unless PUBLIC_URL is a loopback address, and queues the emails', async () => {
    const app = await startApp({ NODE_ENV: 'development', PUBLIC_URL: 'https://chat.example' })
    await app.signUp('ann')
    await app.mailWorker.drain()
    for (const path of PATHS) expect((await app.request('GET', path)).status).toBe(404)
    expect(await app.database.rows('select 1 from mail_outbox', [])).toHaveLength(1)
    expect(app.logs.join()).toContain('SMTP_URL')
  })

  it('rejects HTTP/1.0, which nginx uses by default', async () => {
    const app = await startApp()
    const { hostname, port } = new URL(app.url)
    const socket = connect(Number(port), hostname)
    socket.write(`GET /dev/mailbox.json HTTP/1.0\r\nhost: ${hostname}:${port}\r\n\r\n`)
    expect((await once(socket, 'data')).toString()).toMatch(/^HTTP\/1.1 404 /)
    socket.destroy()
    expect((await app.request('GET', '/dev/mailbox.json')).status).toBe(200)
  })
})

async function withEmails(config: Parameters<typeof startApi>[1] = {}): Promise<TestApi> {
  const api = await startApi(db, config)
  for (const name of ['ann', 'bob']) {
    await api.register(name)
    await api.emails()
  }
  return api
}
