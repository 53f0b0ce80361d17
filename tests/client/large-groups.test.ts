import { expect, it } from 'vitest'
import { memoryStore } from '../../src/client/stores/memory.ts'
import { storeKeys } from '../support/account-keys.ts'
import { type Person, startApp, type TestApp } from '../support/app.ts'
import { eventually } from '../support/eventually.ts'
import { registerKeyed, signInKeyed } from './support/clients.ts'

it('delivers signed messages in a group of 300 members with account keys, also to one who is added while offline', async () => {
  const app = await startApp()
  const store = memoryStore()
  const ann = await registerKeyed(app, 'ann')
  const bob = await registerKeyed(app, 'bob')
  const carol = await registerKeyed(app, 'carol', store)
  await carol.close()
  const others = await signUpKeyed(app, 297)
  const hers = await ann.conversations.startGroup([bob.user.id, ...others.map(({ id }) => id)])
  const his = await bob.open(hers.id)
  await hers.send('Hello, all')
  await eventually(() => expect(his.messages).toHaveLength(1))
  expect(his.messages[0]).toMatchObject({ body: { text: 'Hello, all' }, verified: 'signed', problems: [] })

  await hers.addMembers([carol.user.id])
  await eventually(() => expect(his.members).toHaveLength(300))
  await his.send('Welcome')
  const online = await signInKeyed(app, 'carol', store)
  const carols = await online.open(hers.id)
  expect(carols.members).toHaveLength(300)
  expect(carols.messages).toMatchObject([{ body: { text: 'Welcome' }, verified: 'signed', problems: [] }])
  await carols.send('Thank you')
  await eventually(() =>
    expect(hers.messages.map(({ body }) => body.text)).toEqual(['Hello, all', 'Welcome', 'Thank you']),
  )
  expect(hers.messages.flatMap(({ problems }) => problems)).toEqual([])
})

/** Creates accounts with keys, without opening them. */
async function signUpKeyed(app: TestApp, count: number): Promise<Person[]> {
  const people: Person[] = []
  for (let index = 0; index < count; index++) {
    const person = await app.signUp(`member-${index}`)
    await storeKeys(app, person)
    people.push(person)
  }
  return people
}
