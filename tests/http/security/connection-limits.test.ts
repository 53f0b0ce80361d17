import { expect, it, onTestFinished } from 'vitest'
import { clientAddresses } from '../../../src/http/client-address.ts'
import { type Person, startApp, type TestApp } from '../../support/app.ts'
import { RawClient } from '../../support/raw-client.ts'
import { handshakeStatus, roomUrl, startRoom } from '../../support/room-clients.ts'

const LIMITED = { RATE_LIMITS: 'on' }

async function open(
  app: TestApp,
  { token }: Person,
  headers: Record<string, string> = {},
): Promise<RawClient> {
  const url = `${app.url.replace('http', 'ws')}/socket/websocket?vsn=2.0.0&token=${token}`
  const client = await RawClient.connect(url, { headers })
  onTestFinished(() => client.terminate())
  return client
}

async function poll(app: TestApp, { token }: Person): Promise<number> {
  const { body } = await app.request('GET', `/socket/longpoll?vsn=2.0.0&token=${token}`)
  return body.status
}

it('limits the connections of a user over all kinds, without affecting other users', async () => {
  const app = await startApp({ ...LIMITED, MAX_CONNECTIONS_PER_USER: '3' })
  const { roomId, people } = await startRoom(app, 'ann', 'bob')
  const [ann, bob] = people
  const enterRoom = ({ token }: Person) => {
    const headers = { authorization: `Bearer ${token}` }
    return RawClient.connect(roomUrl(app, roomId), { headers })
  }
  const first = await open(app, ann)
  expect(await poll(app, ann)).toBe(410)
  const room = await enterRoom(ann)
  onTestFinished(() => room.terminate())
  expect([
    await handshakeStatus(open(app, ann)),
    await handshakeStatus(enterRoom(ann)),
    await poll(app, ann),
  ]).toEqual([429, 429, 500])
  await open(app, bob)
  const count = app.endpoint.connectionCount
  first.close()
  await first.closed
  await expect.poll(() => app.endpoint.connectionCount).toBe(count - 1)
  await open(app, ann)
})

it('limits the connections of a network address behind a trusted proxy', async () => {
  const app = await startApp({ ...LIMITED, MAX_CONNECTIONS_PER_ADDRESS: '2', TRUST_PROXY: '127.0.0.1' })
  const people = await Promise.all(['ann', 'bob', 'kim', 'eve'].map((name) => app.signUp(name)))
  const [ann, bob, kim, eve] = people as [Person, Person, Person, Person]
  const from = (address: string) => ({ 'x-forwarded-for': address })
  await open(app, ann, from('203.0.113.5'))
  await open(app, bob, from('203.0.113.5'))
  expect(await handshakeStatus(open(app, kim, from('203.0.113.5')))).toBe(429)
  await open(app, eve, from('203.0.113.6'))
})

it('does not count the connections of a proxy that is not trusted', async () => {
  const app = await startApp({ ...LIMITED, MAX_CONNECTIONS_PER_ADDRESS: '1' })
  const ann = await app.signUp('ann')
  await open(app, ann)
  await open(app, ann, { 'x-forwarded-for': '203.0.113.5' })
})

it('limits the connections of a node, and still serves HTTP requests', async () => {
  const app = await startApp({ ...LIMITED, MAX_CONNECTIONS: '2' })
  const ann = await app.signUp('ann')
  await open(app, ann)
  await open(app, ann)
  expect(await handshakeStatus(open(app, ann))).toBe(503)
  expect((await app.request('GET', '/readyz')).status).toBe(200)
})

it('lifts the limits with RATE_LIMITS=off', async () => {
  const limits = { MAX_CONNECTIONS: '1', MAX_CONNECTIONS_PER_USER: '1' }
  const app = await startApp({ ...limits, RATE_LIMITS: 'off' })
  const ann = await app.signUp('ann')
  for (let i = 0; i < 3; i++) await open(app, ann)
})

it('allows a burst of 300 heartbeats per user, and 10 a second after that', async () => {
  const app = await startApp(LIMITED)
  const ann = await app.signUp('ann')
  const client = await open(app, ann)
  const beat = async () => {
    const reply = await client.call([null, 'h', 'phoenix', 'heartbeat', {}])
    return (reply[4] as { status: string }).status
  }
  for (let i = 0; i < 300; i++) expect(await beat()).toBe('ok')
  expect(await beat()).toBe('error')
  app.clock.advance(100)
  expect([await beat(), await beat()]).toEqual(['ok', 'error'])
})

it('counts connection attempts to rooms as requests', async () => {
  const app = await startApp(LIMITED)
  const { people } = await startRoom(app, 'ann')
  const headers = { authorization: `Bearer ${people[0].token}` }
  const attempts: number[] = []
  for (let i = 0; i < 1_201; i++)
    attempts.push(await handshakeStatus(RawClient.connect(roomUrl(app, 'nowhere'), { headers })))
  expect([attempts.filter((status) => status === 403).length, attempts.at(-1)]).toEqual([1_200, 429])
})

it.each([
  ['203.0.113.5', '', [], '203.0.113.5'],
  ['::ffff:203.0.113.5', '', [], '203.0.113.5'],
  ['2001:db8:1:1::5', '', [], '2001:db8:1:1::'],
  ['203.0.113.5', '198.51.100.7', [], '203.0.113.5'],
  ['127.0.0.1', '203.0.113.5', [], undefined],
  ['::ffff:10.0.0.1', '', [], undefined],
  ['fd00::1', '', [], undefined],
  ['127.0.0.1', '198.51.100.7, 203.0.113.5', ['127.0.0.1'], '203.0.113.5'],
  ['127.0.0.1', '', ['127.0.0.1'], '127.0.0.1'],
  ['127.0.0.1', '10.0.0.9', ['127.0.0.1'], undefined],
  ['127.0.0.1', 'nonsense', ['127.0.0.1'], undefined],
])(
  'resolves a connection from %s with X-Forwarded-For "%s" and trusted proxies %j to %s',
  (remoteAddress, forwarded, trusted, address) => {
    const headers = forwarded ? { 'x-forwarded-for': forwarded } : {}
    expect(clientAddresses(trusted)({ socket: { remoteAddress }, headers } as never)).toBe(address)
  },
)
