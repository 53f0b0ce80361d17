import fc from 'fast-check'
import type { Channel } from 'phoenix'
import { describe, expect, it, onTestFinished } from 'vitest'
import { type Person, startApp, type TestApp } from '../../support/app.ts'
import { copiesFor, KEYS, push, startGroup } from '../../support/conversations.ts'
import { listen, settle } from '../../support/phoenix.ts'
import { RawClient } from '../../support/raw-client.ts'
import { rounds } from '../../support/stress.ts'

const FRAMES = rounds(1_000, 100_000)
const BATCH = 50

describe('a hostile client', () => {
  it(`does not disturb others with ${FRAMES} malformed frames`, { timeout: 300_000 }, async () => {
    const app = await startApp()
    const { id, people, channels, userChannels } = await startGroup(app, ['ann', 'bob'])
    const mallory = await app.signUp('mallory')
    const system = await (people[0] as Person).join('system:general')
    await push(people[0] as Person, system, 'start_group_conversation', { user_ids: [mallory.id], ...KEYS })
    const batches = fc.sample(
      fc.array(frame(id, mallory), { minLength: BATCH, maxLength: BATCH }),
      FRAMES / BATCH,
    )
    for (const [number, batch] of batches.entries()) {
      await attack(app, mallory, batch)
      if (number % 10 === 0)
        await exchangeMessages(people as [Person, Person], channels, userChannels, `still here ${number}`)
    }
    await exchangeMessages(people as [Person, Person], channels, userChannels, 'to the end')
    const crashes = app.logs.filter((line) => JSON.parse(line).level >= 50)
    expect(crashes).toEqual([])
  })
})

/** Sends a batch on a new connection, and waits until the server has replied to all of it or closed the connection. */
async function attack(app: TestApp, { token }: Person, batch: (string | Uint8Array)[]): Promise<void> {
  const url = `${app.url.replace('http', 'ws')}/socket/websocket?token=${token}&vsn=2.0.0`
  const client = await RawClient.connect(url)
  for (const data of batch) client.sendRaw(data)
  const code = await Promise.race([client.settled(), client.closed]).catch(() => client.closed)
  if (typeof code === 'number') expect([1003, 1007]).toContain(code)
  client.terminate()
}

async function exchangeMessages(
  people: [Person, Person],
  channels: Channel[],
  userChannels: Channel[],
  text: string,
): Promise<void> {
  const nextEvent = listen(userChannels[1] as Channel, 'new_message')
  expect(
    (await push(people[0], channels[0] as Channel, 'send_message', copiesFor(people, text))).status,
  ).toBe('ok')
  expect((await nextEvent()).message.content).toBe(text)
}

/** Generates mostly frames that are nearly valid, as these reach the most code. */
function frame(conversationId: string, { id, token }: Person): fc.Arbitrary<string | Uint8Array> {
  const topics = [
    `conversation:${conversationId}`,
    `user:${id}`,
    'system:general',
    'phoenix',
    'conversation:x',
    '',
    '__proto__',
  ]
  const events = [
    'phx_join phx_leave heartbeat send_message edit_message delete_message change_alias leave_conversation start_typing',
    'modify_conversation set_encryption_keys set_hidden set_display_name start_group_conversation constructor __proto__',
    'start_private_conversation read_conversation finish_typing phx_reply phx_close phx_error presence_diff',
  ]
    .join(' ')
    .split(' ')
  const odd = fc.oneof(
    fc.jsonValue(),
    fc.string({ unit: 'binary' }),
    fc.constant({ toString: 1 }),
    fc.constant('\u0000'),
  )
  const payload = fc.oneof(
    odd,
    fc.record(
      {
        token: fc.constantFrom<unknown>(token, token, token, 'wrong', null),
        encrypted_messages: fc.oneof(
          odd,
          fc.dictionary(fc.constantFrom(id, 'x'), odd),
          fc.constant({ [id]: 'x' }),
        ),
        message_group_id: odd,
        alias: odd,
        hidden: fc.oneof(odd, fc.boolean()),
        display_name: odd,
        user_ids: fc.oneof(odd, fc.array(odd)),
        other_user_id: odd,
        new_members: fc.oneof(odd, fc.array(odd)),
        public_key: fc.oneof(odd, fc.object()),
        private_key: fc.oneof(odd, fc.object()),
      },
      { requiredKeys: ['token'] },
    ),
  )
  const ref = fc.oneof(fc.constantFrom('1', '2', null, 3), fc.string())
  const envelope = fc
    .tuple(ref, ref, fc.constantFrom(...topics), fc.constantFrom(...events), payload)
    .map((fields) => JSON.stringify(fields))
  const mutated = fc
    .tuple(envelope, fc.nat(), fc.string({ maxLength: 3 }))
    .map(
      ([text, at, insert]) => text.slice(0, at % text.length) + insert + text.slice((at % text.length) + 1),
    )
  const binary = fc.oneof(
    fc.uint8Array({ maxLength: 64 }),
    fc.uint8Array({ maxLength: 64 }).map((b) => Buffer.concat([Buffer.from([0, 1, 1, 5, 4]), b])),
  )
  return fc.oneof(
    { arbitrary: envelope, weight: 40 },
    { arbitrary: mutated, weight: 1 },
    { arbitrary: binary, weight: 1 },
    { arbitrary: fc.string({ unit: 'binary' }), weight: 1 },
  )
}

describe('a deeply nested payload', () => {
  it('is rejected like any other invalid payload', async () => {
    const app = await startApp()
    const { channels, people } = await startGroup(app, ['ann', 'bob'])
    const [, bob] = people as [Person, Person]
    const deep = '['.repeat(60_000) + ']'.repeat(60_000)
    const client = await RawClient.connect(
      `${app.url.replace('http', 'ws')}/socket/websocket?token=${bob.token}&vsn=2.0.0`,
    )
    onTestFinished(() => client.terminate())
    const topic = (channels[1] as Channel).topic
    await client.call(['1', '1', topic, 'phx_join', { token: bob.token }])
    client.sendRaw(
      `["1","2","${topic}","set_encryption_keys",{"token":"${bob.token}","public_key":{"a":${deep}},"private_key":{}}]`,
    )
    const reply = await client.take((f) => Array.isArray(f) && f[1] === '2')
    expect(reply).toMatchObject([
      '1',
      '2',
      topic,
      'phx_reply',
      { status: 'error', response: { reason: 'invalid_payload' } },
    ])
    expect(
      (await settle((channels[0] as Channel).push('start_typing', { token: people[0]?.token }))).status,
    ).toBe('ok')
  })
})
