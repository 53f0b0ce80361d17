import { describe, expect, it } from 'vitest'
import type { Json } from '../support/phoenix.ts'
import { PollClient } from '../support/poll-client.ts'
import { startPhoenix } from './fixture.ts'

/* The cases of Phoenix's test/phoenix/integration/long_poll_socket_test.exs. docs/phoenix-tests.md lists all of them. */

const HEARTBEAT = '[null,"1","phoenix","heartbeat",{}]'
const ANSWER = '[null,"1","phoenix","phx_reply",{"status":"ok","response":{}}]'

/** Polls as a version of phoenix.js does that sends the session in a header. */
async function startWithHeader(query = 'token=ann&vsn=2.0.0') {
  const server = await startPhoenix()
  const endpoint = `${server.url.replace('ws', 'http')}/longpoll`
  let session: string | undefined
  const request = async (init: RequestInit = {}, search = query) => {
    const headers = { ...(session && { 'X-Phoenix-Longpoll-Token': session }), ...init.headers }
    const response = await fetch(`${endpoint}?${search}`, { ...init, headers })
    return { headers: response.headers, body: (await response.json()) as Json }
  }
  const opened = await request()
  session = opened.body.token
  return { ...server, endpoint, request, opened: opened.body, session: session as string }
}

describe('the token of a session', () => {
  it('returns params with sync request', async () => {
    const { request, opened } = await startWithHeader()
    expect(opened).toEqual({ status: 410, token: expect.any(String), messages: [] })
    expect((await request({ method: 'POST', body: HEARTBEAT })).body).toEqual({ status: 200 })
    expect((await request()).body).toEqual({ status: 200, token: opened.token, messages: [ANSWER] })
  })

  it('accepts the token from params', async () => {
    const { url, session } = await startWithHeader()
    const client = new PollClient(url, { params: { token: 'ann' } })
    client.token = session
    expect(await client.request('POST', { body: HEARTBEAT })).toEqual({ status: 200 })
    expect((await client.poll()).messages).toEqual([ANSWER])
  })

  it('the header takes precedence over a stale params token', async () => {
    const { request } = await startWithHeader()
    for (const query of ['token=ann&token=bogus&vsn=2.0.0', 'token=bogus&vsn=2.0.0', 'token=bad']) {
      expect((await request({ method: 'POST', body: HEARTBEAT }, query)).body, query).toEqual({ status: 200 })
    }
    expect((await request()).body.messages).toEqual([ANSWER, ANSWER, ANSWER])
  })

  it('that is invalid in the header is not replaced by the one in the params', async () => {
    const { request, session } = await startWithHeader()
    const headers = { 'X-Phoenix-Longpoll-Token': 'bogus' }
    const query = `token=ann&vsn=2.0.0&token=${session}`
    expect((await request({ method: 'POST', body: HEARTBEAT, headers }, query)).body).toEqual({ status: 410 })
    const { status, token } = (await request({ headers }, query)).body
    expect(status).toBe(410)
    expect(token).not.toBe(session)
  })

  it('responses are never cached', async () => {
    const { request } = await startWithHeader()
    expect((await request({ method: 'POST', body: HEARTBEAT })).headers.get('cache-control')).toBe('no-store')
  })

  it('may be sent by pages of other origins', async () => {
    const { endpoint } = await startWithHeader()
    const preflight = await fetch(`${endpoint}?vsn=2.0.0`, {
      method: 'OPTIONS',
      headers: {
        origin: 'https://chat.example.com',
        'access-control-request-method': 'GET',
        'access-control-request-headers': 'x-phoenix-longpoll-token',
      },
    })
    expect(preflight.headers.get('access-control-allow-headers')).toBe('x-phoenix-longpoll-token')
  })
})

describe('a parameter that is repeated', () => {
  it.each([
    ['token=bad&token=ann&vsn=2.0.0', 410],
    ['token=ann&token=bad&vsn=2.0.0', 403],
    ['token=ann&vsn=9.9.9&vsn=2.0.0', 410],
    ['token=ann&vsn=2.0.0&vsn=9.9.9', 403],
  ])('counts as its last value: %s', async (query, status) => {
    const { url } = await startPhoenix()
    const response = await fetch(`${url.replace('ws', 'http')}/longpoll?${query}`)
    expect(await response.json()).toMatchObject({ status })
  })

  it('may be the token of a session that has ended, after that of the user', async () => {
    const { url, clock } = await startPhoenix()
    const client = await new PollClient(url, { params: { token: 'ann' } }).open()
    clock.advance(17_000)
    expect(await client.poll()).toMatchObject({ status: 410, token: expect.any(String) })
    expect(await new PollClient(url, { params: { token: client.token! } }).poll()).toEqual({ status: 403 })
  })
})

describe('every answer has a status that phoenix.js knows', () => {
  it.each([
    ['GET', '/longpoll/more', 404],
    ['POST', '/longpoll/longpoll', 404],
    ['PUT', '/longpoll', 405],
    ['DELETE', '/longpoll', 405],
    ['PATCH', '//longpoll', 405],
  ])('%s %s: %d', async (method, path, status) => {
    const { url } = await startPhoenix()
    const response = await fetch(`${url.replace('ws', 'http')}${path}?token=ann&vsn=2.0.0`, { method })
    expect([response.status, await response.json()]).toEqual([status, { status: 500 }])
    if (status === 405) expect(response.headers.get('allow')).toBe('GET, POST, OPTIONS')
  })

  it('a body that is too large: 413', async () => {
    const { url } = await startPhoenix({ maxFrameBytes: 1_000 })
    const client = await new PollClient(url, { params: { token: 'ann' } }).open()
    const response = await client.fetch('POST', { body: 'x'.repeat(8_001), type: 'application/json' })
    expect([response.status, await response.json()]).toEqual([413, { status: 500 }])
  })
})

it('duplicate slashes in the path count as one', async () => {
  const { url } = await startPhoenix()
  const client = await new PollClient(`${url}/`, { params: { token: 'ann' } }).open()
  expect(await client.request('POST', { body: HEARTBEAT })).toEqual({ status: 200 })
  expect((await client.poll()).messages).toEqual([ANSWER])
})
