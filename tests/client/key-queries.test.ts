import { expect, it } from 'vitest'
import { startApp } from '../support/app.ts'
import { eventually } from '../support/eventually.ts'
import { TamperingProxy } from '../support/tampering-proxy.ts'
import { registerKeyed, signInKeyed } from './support/clients.ts'
import { OriginalClient } from './support/original-client.ts'

it('asks for the keys of a user who has none once, and again after a reconnect or a change', async () => {
  const app = await startApp()
  const proxy = await TamperingProxy.start(app.url)
  const ann = await registerKeyed(proxy, 'ann')
  const carol = await OriginalClient.signUp(app, 'carol')
  const id = await carol.startPrivate(ann.user.id)
  await carol.open(id)
  const hers = await ann.open(id)
  await eventually(() => expect(carol.hasKeyOf(ann.user.id)).toBe(true))
  let queries = 0
  proxy.tampering.response = (path, body) => {
    if (path === '/api/keys/query') queries++
    return body
  }
  for (const text of ['one', 'two', 'three']) {
    await hers.send(text, { allowUnsigned: true })
    await carol.send(`${text} too`)
  }
  await eventually(() => expect(hers.messages).toHaveLength(6))
  expect(queries).toBe(0)

  proxy.disconnectAll()
  await eventually(() => expect(queries).toBe(1))
  await hers.send('four', { allowUnsigned: true })
  expect(queries).toBe(1)

  const { user } = await signInKeyed(app, 'carol', undefined, { isNew: true })
  await eventually(() => expect(queries).toBeGreaterThan(1))
  await eventually(() => ann.contacts.verify(user.id))
})
