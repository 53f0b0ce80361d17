import { expect, it } from 'vitest'
import { PASSWORD, startApp } from '../../support/app.ts'
import { push } from '../../support/conversations.ts'
import { settle } from '../../support/phoenix.ts'

it('rejects an expired token in a payload, also when it was verified before', async () => {
  const app = await startApp()
  const ann = await app.signUp('ann')
  const channel = await ann.join('system:general')
  const { body } = await app.request('POST', '/auth/refresh', { body: { token: ann.refreshToken } })
  // The server closes a socket without heartbeats after 75 s.
  for (let minute = 0; minute < 29; minute++) {
    app.clock.advance(60_000)
    expect((await push(ann, channel, 'set_hidden', { hidden: false })).status).toBe('ok')
  }
  app.clock.advance(61_000)
  expect((await push(ann, channel, 'set_hidden', { hidden: false })).response).toBe('invalid_token')
  const later = await app.request('POST', '/auth/refresh', { body: { token: body.refresh_token } })
  const renewed = await settle(channel.push('set_hidden', { hidden: true, token: later.body.auth_token }))
  expect(renewed).toEqual({ status: 'ok', response: 'message_sent' })
})

it('accepts a token of another session of the same user until that session is revoked', async () => {
  const app = await startApp()
  const ann = await app.signUp('ann')
  const channel = await ann.join('system:general')
  const { body } = await app.request('POST', '/auth/login', {
    body: { email: ann.email, password: PASSWORD },
  })
  const token = body.auth_token
  expect((await settle(channel.push('set_hidden', { hidden: true, token }))).status).toBe('ok')
  await app.request('POST', '/api/signout', { body: { token: body.refresh_token } })
  expect((await settle(channel.push('set_hidden', { hidden: true, token }))).response).toBe('invalid_token')
  expect((await push(ann, channel, 'set_hidden', { hidden: true })).status).toBe('ok')
})

it('closes the sockets of a revoked session with 1001, and rejects its reconnects', async () => {
  const app = await startApp()
  const [ann, bob] = [await app.signUp('ann'), await app.signUp('bob')]
  const socket = ann.connect()
  const closed = new Promise<number>((resolve) =>
    socket.onClose(((event: { code: number }) => resolve(event.code)) as never),
  )
  await settle(socket.channel('system:general', { token: ann.token }).join())
  const watching = await bob.join('system:general')
  expect((await app.request('POST', '/api/signout_all', { token: ann.token })).status).toBe(204)
  expect(await closed).toBe(1001)
  expect((await push(bob, watching, 'set_hidden', { hidden: true })).status).toBe('ok')
  const refused = await fetch(`${app.url}/socket/websocket?token=${ann.token}&vsn=2.0.0`, {
    headers: { 'x-test': 'not even an upgrade' },
  })
  expect(refused.ok).toBe(false)
})
