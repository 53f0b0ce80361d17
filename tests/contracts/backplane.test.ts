import { randomBytes } from 'node:crypto'
import { nanoid } from 'nanoid'
import { pino } from 'pino'
import { createClient } from 'redis'
import { describe, expect, it, onTestFinished } from 'vitest'
import { RedisBackplane } from '../../src/infra/redis-backplane.ts'
import type { Backplane } from '../../src/realtime/cluster/backplane.ts'
import { SingleNodeBackplane } from '../../src/realtime/cluster/single-node-backplane.ts'
import { eventually } from '../support/eventually.ts'
import { InProcessBackplane } from '../support/in-process-backplane.ts'
import { redisUrl, startRedis } from '../support/redis.ts'

/** Connects `count` nodes of one deployment. */
type Connect = (count: number) => Promise<Backplane[]>

/** The same for all nodes. */
const KEY = randomBytes(32)

async function overRedis(count: number, cluster: boolean, url: string): Promise<RedisBackplane[]> {
  const namespace = nanoid()
  const log = pino({ level: 'silent' })
  return Promise.all(
    Array.from({ length: count }, () => RedisBackplane.connect({ url, cluster, namespace, key: KEY, log })),
  )
}

const kinds: [string, boolean, Connect][] = [
  ['InProcessBackplane', true, async (count) => InProcessBackplane.group(count)],
  ['RedisBackplane', redisUrl !== undefined, (count) => overRedis(count, false, redisUrl as string)],
  [
    'RedisBackplane on a cluster',
    redisUrl !== undefined,
    async (count) => overRedis(count, true, (await startRedis({ cluster: true })).url),
  ],
]

for (const [name, isAvailable, connect] of kinds) {
  describe.skipIf(!isAvailable)(name, () => {
    async function nodes(count: number) {
      const backplanes = await connect(count)
      onTestFinished(async () => void (await Promise.all(backplanes.map((backplane) => backplane.close()))))
      return backplanes.map((backplane) => {
        const received: string[] = []
        return { backplane, received, listener: (message: Buffer) => void received.push(message.toString()) }
      })
    }

    it('delivers a message once to each subscribed node, but not to its sender', async () => {
      const [a, b, c] = await nodes(3)
      for (const { backplane, listener } of [a!, b!, c!]) await backplane.subscribe('news', listener)
      a!.backplane.publish('news', Buffer.from('hello'))
      await eventually(() => expect([b!.received, c!.received]).toEqual([['hello'], ['hello']]))
      // A message delivered to its sender would have arrived before this one.
      b!.backplane.publish('news', Buffer.from('and again'))
      await eventually(() => expect(a!.received).toEqual(['and again']))
    })

    it('keeps the order of one route, and transmits bytes unchanged', async () => {
      const [a, b] = await nodes(2)
      const received: Buffer[] = []
      await b!.backplane.subscribe('a route: with any text, 漢字', (message) => void received.push(message))
      const sent = Array.from({ length: 500 }, (_, i) => Buffer.from([0, 255, 10, 13, i % 256, i >> 8]))
      for (const message of sent) a!.backplane.publish('a route: with any text, 漢字', message)
      await eventually(() => expect(received).toHaveLength(500))
      expect(received).toEqual(sent)
    })

    it('delivers nothing on routes without a subscription', async () => {
      const [a, b] = await nodes(2)
      await b!.backplane.subscribe('one', b!.listener)
      await b!.backplane.subscribe('two', b!.listener)
      b!.backplane.unsubscribe('one')
      for (const route of ['one', 'three', 'two']) a!.backplane.publish(route, Buffer.from(route))
      await eventually(() => expect(b!.received).toEqual(['two']))
    })

    it('ends in the last requested state after rapid subscribes and unsubscribes', async () => {
      const [a, b] = await nodes(2)
      for (let i = 0; i < 20; i++) {
        void b!.backplane.subscribe('on', b!.listener)
        void b!.backplane.subscribe('off', b!.listener)
        b!.backplane.unsubscribe('on')
        b!.backplane.unsubscribe('off')
      }
      await b!.backplane.subscribe('on', b!.listener)
      for (const route of ['off', 'on']) a!.backplane.publish(route, Buffer.from(route))
      await eventually(() => expect(b!.received).toEqual(['on']))
    })

    it('receives messages from when a subscription is confirmed', async () => {
      const [a, b] = await nodes(2)
      for (let i = 0; i < 50; i++) {
        await b!.backplane.subscribe(`route ${i}`, b!.listener)
        a!.backplane.publish(`route ${i}`, Buffer.from(String(i)))
      }
      await eventually(() => expect(b!.received).toHaveLength(50))
    })

    it('is connected, has other nodes, and has a unique id', async () => {
      const [a, b] = await nodes(2)
      expect([a!.backplane.isSingleNode, a!.backplane.isConnected]).toEqual([false, true])
      expect(a!.backplane.nodeId).not.toBe(b!.backplane.nodeId)
    })
  })
}

it('SingleNodeBackplane has no other nodes', () => {
  expect(new SingleNodeBackplane().isSingleNode).toBe(true)
})

describe.skipIf(redisUrl === undefined)('RedisBackplane while Redis is unreachable', () => {
  it.each([false, true])(
    'reports the disconnection, and restores its subscriptions (cluster: %s)',
    async (cluster) => {
      const redis = await startRedis({ cluster })
      const [a, b] = await overRedis(2, cluster, redis.url)
      onTestFinished(async () => void (await Promise.all([a!.close(), b!.close()])))
      const received: string[] = []
      const restored: string[] = []
      a!.onRestored(() => restored.push('a'))
      b!.onRestored(() => restored.push('b'))
      await b!.subscribe('before', (message) => void received.push(message.toString()))
      await redis.stop()
      await eventually(() => expect([a!.isConnected, b!.isConnected]).toEqual([false, false]))
      // Subscribing does not wait, and messages are lost.
      await b!.subscribe('meanwhile', (message) => void received.push(message.toString()))
      a!.publish('before', Buffer.from('lost'))
      await redis.start()
      await eventually(() => expect(restored.sort()).toEqual(['a', 'b']))
      for (const route of ['before', 'meanwhile']) a!.publish(route, Buffer.from(route))
      await eventually(() => expect(received).toEqual(['before', 'meanwhile']))
    },
  )

  it.each([false, true])('stays connected when Redis refuses a command (cluster: %s)', async (cluster) => {
    const redis = await startRedis({ cluster })
    const [backplane] = (await overRedis(1, cluster, redis.url)) as [RedisBackplane]
    onTestFinished(() => backplane.close())
    const operator = createClient({ url: redis.url })
    await operator.connect()
    onTestFinished(() => operator.destroy())
    await operator.sendCommand(['ACL', 'SETUSER', 'default', '-ping'])
    await eventually(async () => {
      expect(String(await operator.info('commandstats'))).toMatch(/cmdstat_ping:.*rejected_calls=[2-9]/)
    })
    // When these are answered, both connections have read the replies before.
    await backplane.subscribe('news', () => {})
    await backplane.eval('return 1', 'key', [])
    expect(backplane.isConnected).toBe(true)
  })

  it('reports a refused subscription, and does not wait for it', async () => {
    const redis = await startRedis()
    const lines: string[] = []
    const log = pino({ level: 'info' }, { write: (line: string) => void lines.push(line) })
    const options = { url: redis.url, cluster: false, namespace: nanoid(), key: KEY, log }
    const backplane = await RedisBackplane.connect(options)
    onTestFinished(() => backplane.close())
    const operator = createClient({ url: redis.url })
    await operator.connect()
    onTestFinished(() => operator.destroy())
    await operator.sendCommand(['ACL', 'SETUSER', 'default', '-subscribe'])
    await eventually(() => expect(backplane.isConnected).toBe(true))
    lines.length = 0
    await backplane.subscribe('news', () => {})
    expect(lines.map((line) => JSON.parse(line).msg)).toEqual(['Redis refused a subscription'])
    expect(backplane.isConnected).toBe(true)
  })

  it('continues after a message that cannot be processed', async () => {
    const lines: string[] = []
    const log = pino({ level: 'info' }, { write: (line: string) => void lines.push(line) })
    const options = { url: redisUrl as string, cluster: false, namespace: nanoid(), key: KEY, log }
    const [a, b] = [await RedisBackplane.connect(options), await RedisBackplane.connect(options)]
    onTestFinished(async () => void (await Promise.all([a.close(), b.close()])))
    const received: unknown[] = []
    await b.subscribe('emails', (message) => void received.push(JSON.parse(message.toString())))
    for (const text of ['1', 'secret words', '2', '3']) a.publish('emails', Buffer.from(text))
    await eventually(() => expect(received).toEqual([1, 2, 3]))
    expect(b.isConnected).toBe(true)
    expect(lines.map((line) => JSON.parse(line))).toMatchObject([{ level: 50, cause: 'SyntaxError' }])
    expect(lines.join()).not.toContain('secret')
  })

  it('keeps no subscription without a listener', async () => {
    const namespace = nanoid()
    const log = pino({ level: 'silent' })
    const backplane = await RedisBackplane.connect({
      url: redisUrl as string,
      cluster: false,
      namespace,
      key: KEY,
      log,
    })
    onTestFinished(() => backplane.close())
    const operator = createClient({ url: redisUrl as string })
    await operator.connect()
    onTestFinished(() => operator.destroy())
    const listener = () => {}
    await backplane.subscribe('route', listener)
    void backplane.subscribe('route', listener)
    backplane.unsubscribe('route')
    await backplane.subscribe('last', listener)
    await eventually(async () => {
      expect(await operator.pubSubChannels(`parley:${namespace}:*`)).toEqual([`parley:${namespace}:last`])
    })
  })

  it('starts while Redis is unreachable', async () => {
    const redis = await startRedis()
    await redis.stop()
    const lines: string[] = []
    const log = pino({ level: 'info' }, { write: (line: string) => void lines.push(line) })
    const options = { url: redis.url, cluster: false, namespace: nanoid(), key: KEY, log }
    const backplane = await RedisBackplane.connect(options)
    onTestFinished(() => backplane.close())
    expect(backplane.isConnected).toBe(false)
    await redis.start()
    await eventually(() => expect(backplane.isConnected).toBe(true))
    const said = lines.map((line) => JSON.parse(line)).map(({ level, msg }) => [level, msg])
    expect(said).toEqual([
      [
        50,
        'Connecting to Redis (REDIS_URL), and so to the other nodes, failed. It is retried until it succeeds.',
      ],
      [30, 'Connecting to Redis (REDIS_URL), and so to the other nodes, works again.'],
    ])
  })
})

describe.skipIf(redisUrl === undefined)('RedisBackplane on a Redis server where others can publish', () => {
  /** A node that subscribes to `route`, another node, and an attacker who knows the channel names. */
  async function withAttacker() {
    const namespace = nanoid()
    const lines: string[] = []
    const log = pino({ level: 'info' }, { write: (line: string) => void lines.push(line) })
    const options = { url: redisUrl as string, cluster: false, namespace, key: KEY, log }
    const [a, b] = [await RedisBackplane.connect(options), await RedisBackplane.connect(options)]
    const attacker = createClient({ url: redisUrl as string })
    const listener = createClient({ url: redisUrl as string })
    await Promise.all([attacker.connect(), listener.connect()])
    onTestFinished(async () => {
      attacker.destroy()
      listener.destroy()
      await Promise.all([a.close(), b.close()])
    })
    const intercepted: Buffer[] = []
    await listener.subscribe(`parley:${namespace}:route`, (message) => void intercepted.push(message), true)
    const received: string[] = []
    for (const route of ['route', 'other'])
      await b.subscribe(route, (message) => void received.push(`${route}: ${message}`))
    const publish = (route: string, message: Buffer) =>
      attacker.publish(`parley:${namespace}:${route}`, message)
    a.publish('route', Buffer.from('hello'))
    await eventually(() => expect(received).toEqual(['route: hello']))
    await eventually(() => expect(intercepted).toHaveLength(1))
    return { a, received, lines, publish, intercepted: intercepted[0] as Buffer }
  }

  it('drops forged, modified and moved messages, and reports them once', async () => {
    const { a, received, lines, publish, intercepted } = await withAttacker()
    const changed = flipped(intercepted, intercepted.length - 1)
    const otherSender = flipped(intercepted, 1)
    const invented = Buffer.concat([Buffer.from([0x80]), randomBytes(11), Buffer.from('forged')])
    for (const message of [changed, otherSender, invented, Buffer.from([0x80])])
      await publish('route', message)
    await publish('other', intercepted)
    for (const route of ['route', 'other']) a.publish(route, Buffer.from('the end'))
    await eventually(() => expect(received).toEqual(['route: hello', 'route: the end', 'other: the end']))
    expect(lines.map((line) => JSON.parse(line))).toMatchObject([{ level: 50, dropped: 1 }])
  })

  it('exchanges messages with nodes of the previous version, which skip 12 bytes', async () => {
    const { received, publish, intercepted } = await withAttacker()
    expect(intercepted.subarray(12).toString()).toBe('hello')
    await publish('route', Buffer.concat([Buffer.from(nanoid(12)), Buffer.from('from before')]))
    await eventually(() => expect(received).toEqual(['route: hello', 'route: from before']))
  })
})

/** A copy with one bit flipped. */
function flipped(message: Buffer, index: number): Buffer {
  const copy = Buffer.from(message)
  copy.writeUInt8(copy.readUInt8(index) ^ 1, index)
  return copy
}
