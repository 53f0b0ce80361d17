import { nanoid } from 'nanoid'
import { pino } from 'pino'
import { createClient } from 'redis'
import { describe, expect, it, onTestFinished } from 'vitest'
import { LocalBackplane } from '../../src/infra/local-backplane.ts'
import { RedisBackplane } from '../../src/infra/redis-backplane.ts'
import type { Backplane } from '../../src/realtime/backplane.ts'
import { eventually } from '../support/eventually.ts'
import { redisUrl, startRedis } from '../support/redis.ts'

/** Some nodes of one deployment. */
type Connect = (count: number) => Promise<Backplane[]>

async function overRedis(count: number, cluster: boolean, url: string): Promise<RedisBackplane[]> {
  const namespace = nanoid()
  const log = pino({ level: 'silent' })
  return Promise.all(
    Array.from({ length: count }, () => RedisBackplane.connect({ url, cluster, namespace, log })),
  )
}

const kinds: [string, boolean, Connect][] = [
  ['LocalBackplane', true, async (count) => LocalBackplane.together(count)],
  ['RedisBackplane', redisUrl !== undefined, (count) => overRedis(count, false, redisUrl as string)],
  [
    'RedisBackplane on a cluster',
    redisUrl !== undefined,
    async (count) => overRedis(count, true, (await startRedis({ cluster: true })).url),
  ],
]

for (const [name, isHere, connect] of kinds) {
  describe.skipIf(!isHere)(name, () => {
    async function nodes(count: number) {
      const backplanes = await connect(count)
      onTestFinished(async () => void (await Promise.all(backplanes.map((backplane) => backplane.close()))))
      return backplanes.map((backplane) => {
        const heard: string[] = []
        return { backplane, heard, listener: (message: Buffer) => void heard.push(message.toString()) }
      })
    }

    it('brings what one node publishes to all others that listen, once, and not back', async () => {
      const [a, b, c] = await nodes(3)
      for (const { backplane, listener } of [a!, b!, c!]) await backplane.subscribe('news', listener)
      a!.backplane.publish('news', Buffer.from('hello'))
      await eventually(() => expect([b!.heard, c!.heard]).toEqual([['hello'], ['hello']]))
      // Whatever was on its way back to the first would have come before this.
      b!.backplane.publish('news', Buffer.from('and again'))
      await eventually(() => expect(a!.heard).toEqual(['and again']))
    })

    it('keeps the order of one route, with bytes as they are', async () => {
      const [a, b] = await nodes(2)
      const heard: Buffer[] = []
      await b!.backplane.subscribe('a route: with any text, 漢字', (message) => void heard.push(message))
      const sent = Array.from({ length: 500 }, (_, i) => Buffer.from([0, 255, 10, 13, i % 256, i >> 8]))
      for (const message of sent) a!.backplane.publish('a route: with any text, 漢字', message)
      await eventually(() => expect(heard).toHaveLength(500))
      expect(heard).toEqual(sent)
    })

    it('is silent on routes nobody listens to, or no longer', async () => {
      const [a, b] = await nodes(2)
      await b!.backplane.subscribe('one', b!.listener)
      await b!.backplane.subscribe('two', b!.listener)
      b!.backplane.unsubscribe('one')
      for (const route of ['one', 'three', 'two']) a!.backplane.publish(route, Buffer.from(route))
      await eventually(() => expect(b!.heard).toEqual(['two']))
    })

    it('ends as was last asked, however quickly one changes their mind', async () => {
      const [a, b] = await nodes(2)
      for (let i = 0; i < 20; i++) {
        void b!.backplane.subscribe('on', b!.listener)
        void b!.backplane.subscribe('off', b!.listener)
        b!.backplane.unsubscribe('on')
        b!.backplane.unsubscribe('off')
      }
      await b!.backplane.subscribe('on', b!.listener)
      for (const route of ['off', 'on']) a!.backplane.publish(route, Buffer.from(route))
      await eventually(() => expect(b!.heard).toEqual(['on']))
    })

    it('hears from when a subscription is confirmed', async () => {
      const [a, b] = await nodes(2)
      for (let i = 0; i < 50; i++) {
        await b!.backplane.subscribe(`route ${i}`, b!.listener)
        a!.backplane.publish(`route ${i}`, Buffer.from(String(i)))
      }
      await eventually(() => expect(b!.heard).toHaveLength(50))
    })

    it('knows whether it is alone, and has an id of its own', async () => {
      const [a, b] = await nodes(2)
      expect([a!.backplane.isAlone, a!.backplane.isConnected]).toEqual([false, true])
      expect(a!.backplane.nodeId).not.toBe(b!.backplane.nodeId)
    })
  })
}

it('is alone when it is the only one', () => {
  expect(LocalBackplane.alone().isAlone).toBe(true)
})

describe.skipIf(redisUrl === undefined)('RedisBackplane, when Redis goes away', () => {
  it.each([false, true])('says so, and hears again what it listened to (cluster: %s)', async (cluster) => {
    const redis = await startRedis({ cluster })
    const [a, b] = await overRedis(2, cluster, redis.url)
    onTestFinished(async () => void (await Promise.all([a!.close(), b!.close()])))
    const heard: string[] = []
    const restored: string[] = []
    a!.onRestored(() => restored.push('a'))
    b!.onRestored(() => restored.push('b'))
    await b!.subscribe('before', (message) => void heard.push(message.toString()))
    await redis.stop()
    await eventually(() => expect([a!.isConnected, b!.isConnected]).toEqual([false, false]))
    // Nobody waits for what cannot come, and what is published is lost.
    await b!.subscribe('meanwhile', (message) => void heard.push(message.toString()))
    a!.publish('before', Buffer.from('lost'))
    await redis.start()
    await eventually(() => expect(restored.sort()).toEqual(['a', 'b']))
    for (const route of ['before', 'meanwhile']) a!.publish(route, Buffer.from(route))
    await eventually(() => expect(heard).toEqual(['before', 'meanwhile']))
  })

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
    // Both connections have read what came before the answers to these.
    await backplane.subscribe('news', () => {})
    await backplane.eval('return 1', 'key', [])
    expect(backplane.isConnected).toBe(true)
  })

  it('says so when Redis refuses a subscription, and waits for none', async () => {
    const redis = await startRedis()
    const lines: string[] = []
    const log = pino({ level: 'info' }, { write: (line: string) => void lines.push(line) })
    const options = { url: redis.url, cluster: false, namespace: nanoid(), log }
    const backplane = await RedisBackplane.connect(options)
    onTestFinished(() => backplane.close())
    const operator = createClient({ url: redis.url })
    await operator.connect()
    onTestFinished(() => operator.destroy())
    await operator.sendCommand(['ACL', 'SETUSER', 'default', '-subscribe'])
    await backplane.subscribe('news', () => {})
    expect(lines.map((line) => JSON.parse(line).msg)).toEqual(['Redis refused a subscription'])
    expect(backplane.isConnected).toBe(true)
  })

  it('goes on after a message that cannot be understood', async () => {
    const lines: string[] = []
    const log = pino({ level: 'info' }, { write: (line: string) => void lines.push(line) })
    const options = { url: redisUrl as string, cluster: false, namespace: nanoid(), log }
    const [a, b] = [await RedisBackplane.connect(options), await RedisBackplane.connect(options)]
    onTestFinished(async () => void (await Promise.all([a.close(), b.close()])))
    const heard: unknown[] = []
    await b.subscribe('letters', (message) => void heard.push(JSON.parse(message.toString())))
    for (const text of ['1', 'secret words', '2', '3']) a.publish('letters', Buffer.from(text))
    await eventually(() => expect(heard).toEqual([1, 2, 3]))
    expect(b.isConnected).toBe(true)
    expect(lines.map((line) => JSON.parse(line))).toMatchObject([{ level: 50, cause: 'SyntaxError' }])
    expect(lines.join()).not.toContain('secret')
  })

  it('keeps no subscription that nobody wants any more', async () => {
    const namespace = nanoid()
    const log = pino({ level: 'silent' })
    const backplane = await RedisBackplane.connect({
      url: redisUrl as string,
      cluster: false,
      namespace,
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

  it('starts without it', async () => {
    const redis = await startRedis()
    await redis.stop()
    const lines: string[] = []
    const log = pino({ level: 'info' }, { write: (line: string) => void lines.push(line) })
    const options = { url: redis.url, cluster: false, namespace: nanoid(), log }
    const backplane = await RedisBackplane.connect(options)
    onTestFinished(() => backplane.close())
    expect(backplane.isConnected).toBe(false)
    await redis.start()
    await eventually(() => expect(backplane.isConnected).toBe(true))
    const said = lines.map((line) => JSON.parse(line)).map(({ level, msg }) => [level, msg])
    expect(said).toEqual([
      [50, 'Reaching Redis (REDIS_URL), and so the other nodes, fails, and is tried again until it works.'],
      [30, 'Reaching Redis (REDIS_URL), and so the other nodes, works again.'],
    ])
  })
})
