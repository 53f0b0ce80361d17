import { describe, expect, it } from 'vitest'
import { startApp } from '../../support/app.ts'
import { CIPHERTEXT, startWithAttachments } from '../../support/attachments.ts'
import { contentsFor, resultOf } from '../../support/chat-services.ts'
import { copiesFor, push } from '../../support/conversations.ts'
import { eventually } from '../../support/eventually.ts'

const start = (env: Record<string, string> = {}) =>
  startWithAttachments((paths) => startApp({ ...paths, ...env }))

const HOUR_MS = 60 * 60 * 1000

const refused = { status: 'error', response: 'no_attachment' }

describe('a message with attachments', () => {
  it('lets all members download them', async () => {
    const { id, clients, send } = await start()
    const { id: attachment, location } = await clients.ann.upload(id)
    expect(await clients.bob.status(location)).toBe(404)
    expect((await send([attachment])).status).toBe('ok')
    const found = await clients.bob.request('GET', location)
    expect(Buffer.from(await found.arrayBuffer()).equals(CIPHERTEXT)).toBe(true)
  })

  it('binds them once, however often it is sent', async () => {
    const { app, id, clients, send } = await start()
    const { id: attachment } = await clients.ann.upload(id)
    const client_message_id = crypto.randomUUID()
    const attempts = await Promise.all(
      [1, 2, 3].map(() => send([attachment.toUpperCase(), attachment], { client_message_id })),
    )
    expect(new Set(attempts.map(({ response }) => response.message_group)).size).toBe(1)
    expect(await send([attachment], { client_message_id })).toEqual(attempts[0])
    expect(await send([attachment])).toEqual(refused)
    expect(await app.database.rows('select count(*)::int as n from message_groups', [])).toEqual([{ n: 1 }])
  })

  it('is refused, and nothing is stored, unless it can bind all of them', async () => {
    const { app, id, people, bob, bobChannel, clients, send } = await start()
    const incomplete = (await clients.ann.begin(id, 10)).split('/').at(-1) as string
    const [own, bobs] = [await clients.ann.upload(id), await clients.bob.upload(id)]
    const other = await push(
      people[0]!,
      await people[0]!.join('system:general'),
      'start_group_conversation',
      {
        user_ids: [bob.id],
        public_key: {},
        private_key: {},
      },
    )
    const elsewhere = await clients.ann.upload(other.response as string)
    for (const bad of [incomplete, bobs.id, elsewhere.id, crypto.randomUUID(), 'x'])
      expect(await send([own.id, bad])).toEqual(refused)
    const { last_seq } = (
      await app.database.rows<{ last_seq: number }>('select last_seq::int from conversations where id = $1', [
        id,
      ])
    )[0]!
    expect(last_seq).toBe(0)
    expect((await send([own.id])).status).toBe('ok')
    const bobsMessage = { ...copiesFor(people, 'x'), attachments: [own.id] }
    expect(await push(bob, bobChannel, 'send_message', bobsMessage)).toEqual(refused)
  })

  it('gets one of two messages that bind the same attachment at once', async () => {
    const { id, clients, send } = await start()
    const { id: attachment } = await clients.ann.upload(id)
    const replies = await Promise.all([send([attachment]), send([attachment]), send([])])
    expect(replies.map(({ status }) => status)).toEqual(['ok', 'error', 'ok'])
  })

  it('has at most 16', async () => {
    const { send } = await start()
    expect(await send(Array.from({ length: 17 }, () => 'x'))).toEqual({
      status: 'error',
      response: { reason: 'invalid_payload', errors: { attachments: ['must have at most 16 items'] } },
    })
  })
})

describe('the attachments of a message', () => {
  it('are replaced by the list of an edit, and kept without one', async () => {
    const { id, ann, annChannel, people, clients, send, received, files } = await start()
    const [one, two, three] = [
      await clients.ann.upload(id),
      await clients.ann.upload(id),
      await clients.ann.upload(id),
    ]
    await send([one.id, two.id])
    const { message_group: message_group_id } = (await received()).message
    const edit = (payload: object) =>
      push(ann, annChannel, 'edit_message', { message_group_id, ...copiesFor(people, 'y'), ...payload })
    expect((await edit({})).status).toBe('ok')
    expect(await clients.bob.status(one.location)).toBe(200)
    expect(await edit({ attachments: [crypto.randomUUID()] })).toEqual(refused)
    expect((await edit({ attachments: [two.id, three.id] })).status).toBe('ok')
    expect(await clients.bob.status(one.location)).toBe(404)
    expect(await clients.bob.status(two.location)).toBe(200)
    expect(await clients.bob.status(three.location)).toBe(200)
    await eventually(() => expect(files().sort()).toEqual([two.id, three.id].sort()))
    expect(await edit({ attachments: [one.id] })).toEqual(refused)
    expect((await edit({ attachments: [] })).status).toBe('ok')
    await eventually(() => expect(files()).toEqual([]))
  })

  it('are deleted with it', async () => {
    const { id, ann, annChannel, clients, send, received, files } = await start()
    const { id: attachment, location } = await clients.ann.upload(id)
    await send([attachment])
    const { message_group: message_group_id } = (await received()).message
    expect(files()).toEqual([attachment])
    await push(ann, annChannel, 'delete_message', { message_group_id })
    expect(await clients.ann.status(location)).toBe(404)
    await eventually(() => expect(files()).toEqual([]))
  })

  it('are deleted with the conversation', async () => {
    const { id, ann, bob, annChannel, bobChannel, clients, send, files } = await start()
    const { id: attachment } = await clients.ann.upload(id)
    await send([attachment])
    await clients.bob.upload(id)
    await push(ann, annChannel, 'leave_conversation')
    expect(files()).toHaveLength(2)
    await push(bob, bobChannel, 'leave_conversation')
    await eventually(() => expect(files()).toEqual([]))
  })
})

describe('an attachment of no message', () => {
  it('is deleted after a day', async () => {
    const { app, id, people, ann, clients, send, files } = await start()
    const [bound, unbound] = [await clients.ann.upload(id), await clients.ann.upload(id)]
    await send([bound.id])
    const copies = contentsFor(
      people.map((person) => person.id),
      'x',
    )
    const bind = () => resultOf(app.services.messages.send(id, ann.id, copies, { attachments: [unbound.id] }))
    const rows = () => app.database.rows('select id from attachments', [])
    const letHoursPass = async (hours: number) => {
      await app.database.rows(
        `update attachments set inserted_at = inserted_at - interval '${hours} hours',
          removed_at = removed_at - interval '${hours} hours'`,
        [],
      )
      app.clock.advance(HOUR_MS)
    }
    await letHoursPass(22)
    await app.services.attachments.idle()
    expect(files()).toHaveLength(2)
    await letHoursPass(2)
    await app.services.attachments.idle()
    expect(files()).toEqual([bound.id])
    expect(await bind()).toBe('no_attachment')
    expect(await rows()).toHaveLength(2)
    await letHoursPass(2)
    await app.services.attachments.idle()
    expect(await rows()).toEqual([{ id: bound.id }])
  })

  it('is deleted by its uploader, and by nobody else', async () => {
    const { id, clients, send, files } = await start()
    const [one, bound] = [await clients.ann.upload(id), await clients.ann.upload(id)]
    await send([bound.id])
    const remove = async (who: 'ann' | 'bob' | 'eve', location: string) =>
      (await clients[who].request('DELETE', location)).status
    expect(await remove('bob', one.location)).toBe(404)
    expect(await remove('eve', one.location)).toBe(403)
    expect(await remove('ann', bound.location)).toBe(404)
    expect(files()).toHaveLength(2)
    expect(await remove('ann', one.location)).toBe(204)
    expect(await remove('ann', one.location)).toBe(404)
    await eventually(() => expect(files()).toEqual([bound.id]))
  })
})
