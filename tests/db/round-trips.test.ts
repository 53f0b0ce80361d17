import { expect, it, onTestFinished } from 'vitest'
import { openApi, PASSWORD, type SignedIn } from '../support/api.ts'
import { openSocket, settle } from '../support/phoenix.ts'
import { openCountedDatabase } from '../support/round-trips.ts'

/** A server without its mail worker, for which no request waits. */
async function start() {
  const { database, trips } = await openCountedDatabase()
  const api = await openApi(database)
  onTestFinished(() => api.app.close())
  await api.app.mailWorker.stop()
  return { api, trips }
}

it('a registration takes at most three round trips', async () => {
  const { api, trips } = await start()
  expect(await trips.of((run) => api.register(`ann${run}`))).toBeLessThanOrEqual(3)
})

it.each([
  ['', 2],
  [' on a known device', 3],
])('a login%s takes at most %i round trips beside the password hash', async (device, limit) => {
  const { api, trips } = await start()
  const ann = await api.register('ann')
  await api.startConversation(ann, await api.register('bob'))
  const [cookie] = [(await api.login('ann')).headers['set-cookie']].flat()
  const headers: Record<string, string> = device ? { cookie: cookie!.split(';')[0]! } : {}
  const body = { email: 'ann@example.com', password: PASSWORD }
  const login = async (run: number) => {
    // Ten a minute are allowed.
    if (run % 5 === 4) {
      api.clock.jump(60_000)
      trips.discardRun()
    }
    expect((await api.send('POST /auth/login', { body, headers })).statusCode).toBe(200)
  }
  expect(await trips.of(login)).toBeLessThanOrEqual(limit)
})

it.each([{}, { brief: true }])('a refresh takes at most two round trips (%o)', async (options) => {
  const { api, trips } = await start()
  let token = (await api.register('ann')).refresh_token
  const refresh = async () => {
    const response = await api.send('POST /auth/refresh', { body: { token, ...options } })
    expect(response.statusCode).toBe(200)
    token = response.json<SignedIn>().refresh_token
  }
  expect(await trips.of(refresh)).toBeLessThanOrEqual(2)
})

it('a repeated refresh takes at most two round trips', async () => {
  const { api, trips } = await start()
  const { refresh_token: token } = await api.register('ann')
  const refresh = async () => {
    expect((await api.send('POST /auth/refresh', { body: { token } })).statusCode).toBe(200)
  }
  expect(await trips.of(refresh)).toBeLessThanOrEqual(2)
})

it.each([
  ['user', 0],
  ['system', 1],
  ['conversation', 2],
  ['conversation after a seq', 2],
  ['room', 2],
] as const)('a join of a topic %s takes at most %i round trips', async (kind, limit) => {
  const { api, trips } = await start()
  const [ann, bob] = [await api.register('ann'), await api.register('bob')]
  const conversation = await api.startConversation(ann, bob)
  const room = await api.services.rooms.create(ann.user.id, { name: 'Chamber', userIds: [] })
  const topic = {
    user: `user:${ann.user.id}`,
    system: 'system:general',
    conversation: `conversation:${conversation}`,
    'conversation after a seq': `conversation:${conversation}`,
    room: `room:${room.id}`,
  }[kind]
  const url = await api.app.listen()
  const socket = openSocket(`${url.replace('http', 'ws')}/socket`, { token: ann.auth_token })
  onTestFinished(() => socket.disconnect())
  const afterSeq = kind === 'conversation after a seq' ? { after_seq: 1_000 } : {}
  const join = async () => {
    const channel = socket.channel(topic, { token: ann.auth_token, ...afterSeq })
    expect(await settle(channel.join())).toMatchObject({ status: 'ok' })
    await settle(channel.leave())
  }
  expect(await trips.of(join)).toBeLessThanOrEqual(limit)
})
