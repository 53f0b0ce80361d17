import type { Channel } from 'phoenix'
import { v7 as newId } from 'uuid'
import { describe, expect, it } from 'vitest'
import { type Person, startApp, startNodes, type TestApp } from '../../support/app.ts'
import { KEYS, push } from '../../support/conversations.ts'
import { type Json, listen, settle } from '../../support/phoenix.ts'

const LIMITED = { RATE_LIMITS: 'on' }

describe('an event in a large group', () => {
  it.each([
    [50, 300],
    [200, 100],
    [500, 50],
  ])('is charged by the number of recipients: a group of %i allows bursts of %i', async (size, burst) => {
    const { app, ann, channel } = await inAGroup(size)
    app.clock.advance(10_000)
    expect(await answered(ann, channel, 'start_typing', burst + 20)).toBe(burst)
    app.clock.advance(1_000)
    expect(await answered(ann, channel, 'start_typing', burst)).toBe(burst / 5)
  })

  it('is charged by the length of a shared ciphertext', async () => {
    const { app, ann, channel, ids } = await inAGroup(200)
    const encrypted_messages = Object.fromEntries(ids.map((id) => [id, 'x']))
    app.clock.advance(10_000)
    const sends = await Promise.all(
      Array.from({ length: 40 }, () =>
        push(ann, channel, 'send_message', { encrypted_messages, shared: 'x'.repeat(65_536) }),
      ),
    )
    expect(sends.filter(({ status }) => status === 'ok')).toHaveLength(28)
  })

  it('is charged by the number of members after the group has grown', async () => {
    const { app, ann, channel } = await inAGroup(1)
    const newMembers = await addCrowd(app, 499)
    app.clock.advance(10_000)
    const modified = await push(ann, channel, 'modify_conversation', { new_members: newMembers })
    expect(modified.status).toBe('ok')
    app.clock.advance(10_000)
    expect(await answered(ann, channel, 'start_typing', 100)).toBe(50)
  })

  it('is not limited with RATE_LIMITS=off', async () => {
    const { ann, channel } = await inAGroup(500, {})
    expect(await answered(ann, channel, 'start_typing', 400)).toBe(400)
  })
})

describe('set_display_name', () => {
  it('is broadcast immediately, and then at most every five seconds with the latest name', async () => {
    const app = await startApp()
    const [ann, bob] = [await app.signUp('ann'), await app.signUp('bob')]
    const received: Json[] = []
    const listening = await bob.join('system:general')
    listening.on('update_display_name', (event: Json) => void received.push(event.display_name))
    const next = listen(listening, 'update_display_name')
    const channel = await ann.join('system:general')
    for (let n = 0; n < 30; n++) {
      expect((await push(ann, channel, 'set_display_name', { display_name: `Ann ${n}` })).status).toBe('ok')
    }
    await next()
    app.clock.advance(5_000)
    expect(await next()).toEqual({ user_id: ann.id, display_name: 'Ann 29' })
    app.clock.advance(5_000)
    await push(ann, channel, 'set_display_name', { display_name: 'Annie' })
    await next()
    expect(received).toEqual(['Ann 0', 'Ann 29', 'Annie'])
  })

  it('is not broadcast again when the latest name is the broadcast one', async () => {
    const app = await startApp()
    const [ann, bob] = [await app.signUp('ann'), await app.signUp('bob')]
    const received: Json[] = []
    const listening = await bob.join('system:general')
    listening.on('update_display_name', (event: Json) => void received.push(event.display_name))
    const next = listen(listening, 'update_display_name')
    const channel = await ann.join('system:general')
    for (const name of ['Annie', 'Anna', 'Annie']) {
      await push(ann, channel, 'set_display_name', { display_name: name })
    }
    await next()
    app.clock.advance(5_000)
    // The stored name is read in the background. After that the next name is broadcast immediately.
    let n = 0
    await expect
      .poll(async () => {
        await push(ann, channel, 'set_display_name', { display_name: `Ann ${n++}` })
        return received.length
      })
      .toBeGreaterThan(1)
    expect(received.slice(0, 2)).toEqual(['Annie', expect.stringMatching(/^Ann \d/)])
  })

  it('broadcasts the latest name on all nodes when it was set on two nodes', async () => {
    const [one, two] = await startNodes(2)
    const [ann, bob] = [await one!.signUp('ann'), await one!.signUp('bob')]
    const names = await Promise.all(
      [one!, two!].map(async (node) => {
        const received: string[] = []
        const channel = bob.connect({ at: node }).channel('system:general', { token: bob.token })
        channel.on('update_display_name', (event: Json) => void received.push(event.display_name))
        await settle(channel.join())
        return received
      }),
    )
    const channels = [one!, two!].map((node) =>
      ann.connect({ at: node }).channel('system:general', { token: ann.token }),
    )
    for (const channel of channels) await settle(channel.join())
    for (let n = 0; n < 10; n++) {
      await push(ann, channels[n % 2] as Channel, 'set_display_name', { display_name: `Ann ${n}` })
    }
    one!.clock.advance(5_000)
    await expect.poll(() => names.map((received) => received.at(-1))).toEqual(['Ann 9', 'Ann 9'])
    for (const received of names) expect(received.length).toBeLessThan(5)
  })
})

describe('starting conversations', () => {
  it('is limited to 60 a minute for both events together', async () => {
    const app = await startApp(LIMITED)
    const [ann, bob] = [await app.signUp('ann'), await app.signUp('bob')]
    const channel = await ann.join('system:general')
    const group = () => push(ann, channel, 'start_group_conversation', { user_ids: [bob.id], ...KEYS })
    for (let n = 0; n < 60; n++) expect((await group()).status).toBe('ok')
    expect(await group()).toEqual({
      status: 'error',
      response: { reason: 'rate_limited', retry_after_ms: 60_000 },
    })
    const start = { other_user_id: bob.id, ...KEYS }
    expect((await push(ann, channel, 'start_private_conversation', start)).response).toMatchObject({
      reason: 'rate_limited',
    })
    app.clock.advance(60_000)
    expect((await group()).status).toBe('ok')
  })

  it('is rejected for users whom nobody may add, without naming them', async () => {
    const app = await startApp()
    const [ann, bob] = [await app.signUp('ann'), await app.signUp('bob')]
    const channel = await ann.join('system:general')
    await app.request('PATCH', '/api/profile', { token: bob.token, body: { who_can_add: 'nobody' } })
    for (const [event, payload] of [
      ['start_group_conversation', { user_ids: [bob.id] }],
      ['start_private_conversation', { other_user_id: bob.id }],
    ] as const) {
      const refused = { status: 'error', response: 'not_allowed_to_add' }
      expect(await push(ann, channel, event, { ...payload, ...KEYS })).toEqual(refused)
    }
  })
})

/** Sends `count` pushes concurrently. @returns the number of `ok` replies; expects `retry_after_ms` in the others. */
async function answered(person: Person, channel: Channel, event: string, count: number): Promise<number> {
  const answers = await Promise.all(Array.from({ length: count }, () => push(person, channel, event)))
  const refused = answers.filter(({ status }) => status === 'error')
  for (const { response } of refused) expect(response.reason).toBe('rate_limited')
  return count - refused.length
}

/** Joins Ann to a group of `size` members. */
async function inAGroup(size: number, env: Record<string, string> = LIMITED) {
  const app = await startApp(env)
  const ann = await app.signUp('ann')
  const system = await ann.join('system:general')
  const user_ids = await addCrowd(app, size - 1)
  const { response: id } = await push(ann, system, 'start_group_conversation', { user_ids, ...KEYS })
  return { app, ann, channel: await ann.join(`conversation:${id}`), ids: [ann.id, ...user_ids] }
}

/** Inserts users directly, as signing up takes long. */
async function addCrowd(app: TestApp, size: number): Promise<string[]> {
  const ids = Array.from({ length: size }, () => newId())
  await app.database.rows(
    `insert into users (id, short_id, email, username, display_name) select id, id, id, id, id
    from unnest($1::uuid[]) as t (id)`,
    [ids],
  )
  return ids
}
