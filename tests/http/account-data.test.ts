import { describe, expect, it } from 'vitest'
import { type SignedIn, startApi, startApiOn, type TestApi } from '../support/api.ts'
import { setUpDatabase } from '../support/set-up-database.ts'

const db = setUpDatabase()

const NEW = { 'if-none-match': '*' }

async function start() {
  const api = await startApi(db)
  return { api, ann: await api.register('ann') }
}

function send(
  api: TestApi,
  { auth_token: token }: SignedIn,
  line: string,
  { data, headers = {} }: { data?: unknown; headers?: Record<string, string> } = {},
) {
  const [method, name] = line.split(' ')
  const body = data === undefined ? {} : { body: { data } }
  return api.send(`${method} /api/account/data/${name}`, { token, headers, ...body })
}

const statusOf = async (response: ReturnType<typeof send>) => (await response).statusCode

describe('account data', () => {
  it('is stored, listed, read, replaced and deleted by its version', async () => {
    const { api, ann } = await start()
    const stored = await send(api, ann, 'PUT pins', { data: 'säcret', headers: NEW })
    const summary = { name: 'pins', version: 1, size: 7, updated_at: expect.any(String) }
    expect([stored.statusCode, stored.headers.etag]).toEqual([200, '"1"'])
    expect(stored.json()).toEqual(summary)
    const list = await api.send('GET /api/account/data', { token: ann.auth_token })
    expect(list.json()).toEqual({ items: [stored.json()] })
    const read = await send(api, ann, 'GET pins')
    expect(read.json()).toEqual({ ...stored.json(), data: 'säcret' })
    expect(read.headers.etag).toBe('"1"')
    const replaced = await send(api, ann, 'PUT pins', { data: 'other', headers: { 'if-match': '"1"' } })
    expect(replaced.json()).toEqual({ ...summary, version: 2, size: 5 })
    const cached = await send(api, ann, 'GET pins', { headers: { 'if-none-match': '"2"' } })
    expect([cached.statusCode, cached.body]).toEqual([304, ''])
    const deleted = await send(api, ann, 'DELETE pins', { headers: { 'if-match': '"2"' } })
    expect([deleted.statusCode, deleted.body]).toEqual([204, ''])
    expect(await statusOf(send(api, ann, 'GET pins'))).toBe(404)
    expect(await statusOf(send(api, ann, 'DELETE pins', { headers: { 'if-match': '*' } }))).toBe(404)
  })

  it('is changed only with a condition that holds', async () => {
    const { api, ann } = await start()
    const put = (data: string, headers: Record<string, string>) =>
      statusOf(send(api, ann, 'PUT pins', { data, headers }))
    expect(await put('one', {})).toBe(428)
    expect(await put('one', { 'if-match': '*' })).toBe(412)
    expect(await put('one', NEW)).toBe(200)
    expect(await put('two', NEW)).toBe(412)
    expect(await put('two', { 'if-match': '"9"' })).toBe(412)
    expect(await put('two', { 'if-match': '1' })).toBe(400)
    expect(await put('two', { 'if-match': '*' })).toBe(200)
    expect(await statusOf(send(api, ann, 'DELETE pins'))).toBe(428)
    expect(await statusOf(send(api, ann, 'DELETE pins', { headers: { 'if-match': '"1"' } }))).toBe(412)
    expect((await send(api, ann, 'GET pins')).json()).toHaveProperty('data', 'two')
  })

  it('never gets a version again, so that a condition on deleted data does not hold', async () => {
    const { api, ann } = await start()
    await send(api, ann, 'PUT pins', { data: 'one', headers: NEW })
    await send(api, ann, 'DELETE pins', { headers: { 'if-match': '"1"' } })
    const again = await send(api, ann, 'PUT pins', { data: 'two', headers: NEW })
    expect(again.json().version).toBeGreaterThan(1)
    expect(await statusOf(send(api, ann, 'PUT pins', { data: '3', headers: { 'if-match': '"1"' } }))).toBe(
      412,
    )
  })

  it('is stored once when a request is repeated', async () => {
    const { api, ann } = await start()
    const first = await send(api, ann, 'PUT pins', { data: 'one', headers: NEW })
    const again = await send(api, ann, 'PUT pins', { data: 'one', headers: NEW })
    expect([again.statusCode, again.json()]).toEqual([200, first.json()])
  })

  it('is stored by one of two devices at the same time', async () => {
    const { api, ann } = await start()
    const other = await startApiOn(db, {}, api.clock)
    const nodes = [api, other, api, other]
    for (const headers of [NEW, { 'if-match': '"1"' }]) {
      const puts = nodes.map((node, n) => send(node, ann, 'PUT pins', { data: `${n}`, headers }))
      const answers = await Promise.all(puts)
      const statuses = answers.map(({ statusCode }) => statusCode)
      expect(statuses.toSorted()).toEqual([200, 412, 412, 412])
      expect((await send(api, ann, 'GET pins')).json()).toHaveProperty('data', `${statuses.indexOf(200)}`)
      await db.rows('update account_data set version = 1', [])
    }
  })

  it('has at most 16 names, also when several are added at the same time', async () => {
    const { api, ann } = await start()
    const names = Array.from({ length: 20 }, (_, n) => `name-${n}`)
    const answers = await Promise.all(
      names.map((name) => send(api, ann, `PUT ${name}`, { data: 'x', headers: NEW })),
    )
    const refused = answers.filter(({ statusCode }) => statusCode !== 200)
    expect(refused.map((one) => one.json().error.code)).toEqual(Array(4).fill('too_many_names'))
    const list = (await api.send('GET /api/account/data', { token: ann.auth_token })).json()
    expect(list.items).toHaveLength(16)
    const [{ name, version }] = list.items
    const change = { data: 'y', headers: { 'if-match': `"${version}"` } }
    expect(await statusOf(send(api, ann, `PUT ${name}`, change))).toBe(200)
    const seventeenth = await send(api, ann, 'PUT another', { data: 'x', headers: NEW })
    expect([seventeenth.statusCode, seventeenth.json().error.code]).toEqual([422, 'too_many_names'])
    await send(api, ann, `DELETE ${name}`, { headers: { 'if-match': '*' } })
    expect(await statusOf(send(api, ann, 'PUT another', { data: 'x', headers: NEW }))).toBe(200)
  })

  it('is limited in size and to text that can be stored', async () => {
    const { api, ann } = await start()
    const put = async (name: string, data: unknown) => {
      const response = await send(api, ann, `PUT ${name}`, { data, headers: NEW })
      return response.statusCode === 200 ? 200 : Object.keys(response.json().errors)
    }
    expect(await put('large', 'x'.repeat(65_536))).toBe(200)
    expect(await put('larger', 'x'.repeat(65_537))).toEqual(['data'])
    expect(await put('wide', 'ä'.repeat(32_769))).toEqual(['data'])
    expect(await put('nul', 'a\0b')).toEqual(['data'])
    expect(await put('half', 'a\ud800')).toEqual(['data'])
    expect(await put('number', 1)).toEqual(['data'])
    for (const name of ['Pins', '-x', 'a%20b', 'x'.repeat(65), '%00', 'a%2Fb']) {
      expect(await put(name, 'x'), name).toEqual(['name'])
      expect(await statusOf(send(api, ann, `GET ${name}`)), name).toBe(404)
    }
    expect(await put('a.b_c-9', 'x')).toBe(200)
    expect(await put('x'.repeat(64), 'x')).toBe(200)
  })

  it('is hidden from other users', async () => {
    const { api, ann } = await start()
    const bob = await api.register('bob')
    await send(api, ann, 'PUT pins', { data: 'one', headers: NEW })
    expect(await statusOf(send(api, bob, 'GET pins'))).toBe(404)
    expect(await statusOf(send(api, bob, 'DELETE pins', { headers: { 'if-match': '*' } }))).toBe(404)
    expect((await api.send('GET /api/account/data', { token: bob.auth_token })).json()).toEqual({ items: [] })
    expect(await statusOf(send(api, bob, 'PUT pins', { data: 'two', headers: NEW }))).toBe(200)
    expect((await send(api, ann, 'GET pins')).json()).toHaveProperty('data', 'one')
  })

  it('may be changed 120 times a minute', async () => {
    const { api, ann } = await start()
    const put = () => statusOf(send(api, ann, 'PUT pins', { data: 'x', headers: NEW }))
    for (let n = 0; n < 120; n++) expect(await put()).toBe(200)
    expect(await put()).toBe(429)
  })
})
